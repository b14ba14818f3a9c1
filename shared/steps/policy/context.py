"""What policies may know of one call, beside who calls what."""

import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Any, cast

from shared.core.caller import LOCAL, Caller
from shared.core.tool import Arguments, WriteArguments
from shared.steps.policy.cedar import Json
from shared.steps.policy.schema import Target, level_of

Clock = Callable[[], float]

EVERYTHING = frozenset({"level", "auth_age_s", "dry_run", "seen", "domains", "arguments"})
_OF_ARGUMENTS = {"domains", "arguments"}

_ADDRESS = re.compile(r"(?:.*<)?\s*[^\s@<>]+@([^\s@<>]+)\s*>?")


def context_of(
    target: Target,
    caller: Caller,
    query: Arguments,
    seen: Iterable[str],
    wanted: AbstractSet[str] = EVERYTHING,
    clock: Clock = time.time,
) -> Json:
    """The context of a call, beside what is the same for the whole process; of it, what is wanted.

    | attribute | meaning |
    |---|---|
    | `level` | how strongly a person signed in: 0 unknown, 1 to 3 for aal1 to aal3 |
    | `auth_age_s` | seconds since then; missing if nobody knows |
    | `dry_run` | whether nothing will be changed |
    | `seen` | labels of what this caller was given lately |
    | `domains` | of the e-mail addresses among the arguments, in lower case |
    | `arguments` | as the tool declares them, parsed |
    """
    values = query.model_dump(mode="json") if wanted & _OF_ARGUMENTS else {}
    age_s = _age_s(caller, clock)
    context: Json = {
        "level": level_of(caller.acr),
        "dry_run": isinstance(query, WriteArguments) and query.dry_run,
        "seen": sorted(seen),
        "domains": sorted(set(_domains(values))) if "domains" in wanted else [],
        "arguments": target.arguments.value(values) if "arguments" in wanted else {},
        **({"auth_age_s": age_s} if age_s is not None else {}),
    }
    return {name: value for name, value in context.items() if name in wanted}


def _age_s(caller: Caller, clock: Clock) -> int | None:
    if caller.issuer == LOCAL:
        return 0
    return max(0, int(clock() - caller.auth_time)) if caller.auth_time is not None else None


def _domains(value: Any) -> Iterator[str]:
    """Of every text that is an address, a list of them, or one with a name before it (RFC 5322 §3.4); not of those
    that only occur in a text.
    """
    if isinstance(value, str):
        if "@" in value:
            matches = (_ADDRESS.fullmatch(part.strip()) for part in re.split(r"[,;\n]", value))
            yield from (match[1].lower() for match in matches if match)
    elif isinstance(value, Mapping):
        for child in cast("Mapping[str, Any]", value).values():
            yield from _domains(child)
    elif isinstance(value, list):
        for child in cast("list[Any]", value):
            yield from _domains(child)
