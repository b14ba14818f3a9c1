"""Fields that arguments and answers of many tools have."""

from typing import Annotated

from pydantic import AfterValidator, Field

from shared.core.marks import Exact


def _one_line(text: str) -> str:
    if not text.isprintable():  # also refuses invisible and bidirectional control characters
        raise ValueError("must be one line of printable characters")
    return text


def _storable(text: str) -> str:
    if "\0" in text:
        raise ValueError("must not hold the character NUL, which the database cannot keep")
    return text


def _each_once(words: list[str]) -> list[str]:
    return sorted(set(words))


OneLine = AfterValidator(_one_line)
Storable = AfterValidator(_storable)
"""Any text may come, also a hostile one: it is kept as evidence and neutralised when shown."""
EachOnce = AfterValidator(_each_once)
"""Words in order, none of them twice."""

Version = Annotated[int, Field(ge=1, lt=2**31, description="The version your change is based on.")]
Cursor = Annotated[
    str, Exact(), Field(min_length=1, max_length=2048, description="next_cursor of the page before, unchanged.")
]
NextCursor = Annotated[str | None, Exact(), Field(description="Pass it as cursor for the next page; null: last.")]
ChangeId = Annotated[
    str | None,
    Exact(),
    Field(description="Takes the change back with undo_change, for 24 hours; null: nothing was changed."),
]
