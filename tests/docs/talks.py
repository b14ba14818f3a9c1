"""Conversations in a document: `→` a call with its arguments, `←` some of its answer; and whether it went so."""

import json
import re
from collections.abc import Iterator, MutableMapping
from typing import Any, cast

SAID = re.compile(r"^→ (\S+) (.*)\n← (.*)$", re.MULTILINE)
STANDS_FOR = re.compile(r"(?:T|CH|J|D|M)-(?:A{10,26}|B{10}|C{10})|PLAN-AAAA")
"""Ids that are made at each run."""


def rows(page: str, heading: str) -> Iterator[list[str]]:
    """The cells of the first table below a line that begins so."""
    table = page.partition(f"\n{heading}")[2].partition("|---")[2]
    for line in table.partition("\n\n")[0].splitlines()[1:]:
        yield [cell.strip() for cell in line.strip("|").split("|")]


def asked(text: str, known: MutableMapping[str, str]) -> dict[str, Any]:
    """Arguments, with the ids there are."""
    return json.loads(STANDS_FOR.sub(lambda found: known[found[0]], text))


def differs(shown: Any, answer: Any, known: MutableMapping[str, str]) -> str | None:
    """Where an answer is not what the page shows some of; lists are shown from their beginning.

    Args:
        known: What each id stands for; those that were not met yet are put in.
    """
    pairs: list[tuple[Any, Any, Any]]
    if isinstance(shown, dict) and isinstance(answer, dict):
        named, found = cast("dict[str, Any]", shown), cast("dict[str, Any]", answer)
        pairs = [(key, value, found.get(key, "(not there)")) for key, value in named.items()]
    elif isinstance(shown, list) and isinstance(answer, list):
        some, all_of_it = cast("list[Any]", shown), cast("list[Any]", answer)
        if len(some) > len(all_of_it) or (all_of_it and not some):
            return f"{all_of_it} is not {some}"
        pairs = [(number, value, all_of_it[number]) for number, value in enumerate(some)]
    elif isinstance(shown, str) and STANDS_FOR.fullmatch(shown):
        return None if known.setdefault(shown, answer) == answer else f"{answer!r} is not {known[shown]!r}"
    else:
        if isinstance(shown, str):
            shown = STANDS_FOR.sub(lambda found: known[found[0]], shown)
        return None if shown == answer else f"{answer!r} is not {shown!r}"
    return next((f"{key}: {wrong}" for key, one, other in pairs if (wrong := differs(one, other, known))), None)
