import os
import traceback
from collections.abc import Iterator

import asyncpg

_FRAMES = 20
_LINKS = 8
_FACTS = ("sqlstate", "schema_name", "table_name", "column_name", "constraint_name")


def told(error: BaseException | None) -> str:
    """An exception by class and place, with those that led to it; never in its own words, which may repeat data."""
    return "\n".join(_lines(error, _LINKS, set()))


def _lines(error: BaseException | None, left: int, seen: set[int]) -> Iterator[str]:
    if error is None or left == 0 or id(error) in seen:
        return
    seen.add(id(error))
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if before is not None:
        yield from _lines(before, left - 1, seen)
        yield "which led to:"
    if error.__traceback__ is not None:
        yield "Traceback (most recent call last):"
    yield from (line.rstrip() for line in traceback.format_tb(error.__traceback__, -_FRAMES))
    yield f"{type(error).__module__}.{type(error).__qualname__}{_facts(error)}"
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions[:_LINKS]:  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
            yield "of these:"
            yield from _lines(inner, left - 1, seen)  # pyright: ignore[reportUnknownArgumentType]


def _facts(error: BaseException) -> str:
    """What is safe to say of it: what PostgreSQL names in our schema, and what the system calls its error."""
    if isinstance(error, asyncpg.PostgresError):
        found = {name: getattr(error, name, None) for name in _FACTS}
        named = ", ".join(f"{name}={value}" for name, value in found.items() if value)
        return f" ({named})" if named else ""
    if isinstance(error, OSError) and error.errno is not None:
        return f" (errno {error.errno}: {os.strerror(error.errno)})"
    return ""
