"""The surface of the release before this one, and what a change of it does to the version of a server.

`python -m tests.contracts.released` writes the surface of this release, for the one that follows it.
"""

import json
from hashlib import sha256
from pathlib import Path

from shared.core.releases import parts, this_release
from shared.edge.describe import DEPRECATED, VERSION
from tests.contracts import surface
from tests.contracts.surface import Snapshot

FOLDER = Path(__file__).parent / "released"
_WORDS = ("title", "description", "annotations", "_meta", "source", "version")
"""What steers a model, and breaks no program."""


def slim(snapshot: Snapshot) -> Snapshot:
    """What the next release has to be compared with; of words, whether they changed."""
    kept = {key: value for key, value in snapshot.items() if key not in _WORDS}
    if "outputSchema" in snapshot:
        schema = snapshot["outputSchema"]
        kept["outputSchema"] = {"$defs": schema.get("$defs", {}), **surface.answer_of(schema)}
    words = {key: snapshot[key] for key in _WORDS if key in snapshot and key != "version"}
    meta = snapshot.get("_meta", {})
    kept["_meta"] = {key: meta[key] for key in (VERSION, DEPRECATED) if key in meta}
    return {**kept, "words": sha256(json.dumps(words, sort_keys=True).encode()).hexdigest()[:16]}


def read(version: str) -> dict[str, Snapshot]:
    """File name → what clients of that release were shown."""
    return json.loads((FOLDER / f"{version}.json").read_text())


def needed(old: dict[str, Snapshot], new: dict[str, Snapshot]) -> str | None:
    """Which number of a server's version has to move: `major`, `minor`, `patch`, or none.

    Args:
        old: Slim snapshots of one server in the release before.
        new: The same, now.
    """
    if any(broken(was, new.get(name)) for name, was in old.items()):
        return "major"
    if new.keys() - old.keys() or any(_more(was, new[name]) for name, was in old.items()):
        return "minor"
    return "patch" if old != new else None


def broken(was: Snapshot, now: Snapshot | None) -> list[str]:
    """What breaks a program; other words of a prompt are its own version's to tell."""
    return surface.breaking({**was, "source": ""}, None if now is None else {**now, "source": ""})


def _more(was: Snapshot, now: Snapshot) -> bool:
    """Whether more than words changed: arguments, fields of answers, or that it will go."""
    return {**was, "words": ""} != {**now, "words": ""}


def moved(old: str, new: str) -> str | None:
    """Which number of a version has moved, the others after it set back to 0.

    Raises:
        AssertionError: It went back, or moved as versions do not.
    """
    before, after = parts(old), parts(new)
    steps = {
        "major": (before[0] + 1, 0, 0),
        "minor": (before[0], before[1] + 1, 0),
        "patch": (before[0], before[1], before[2] + 1),
    }
    if before == after:
        return None
    found = [name for name, step in steps.items() if step == after]
    assert found, (
        f"{new} does not follow {old}: the next ones are {['.'.join(map(str, step)) for step in steps.values()]}"
    )
    return found[0]


def vanished(old: dict[str, Snapshot], new: dict[str, Snapshot]) -> list[str]:
    """What is gone and was not deprecated in the release before."""
    return [name for name, was in old.items() if name not in new and DEPRECATED not in was["_meta"]]


def of(server: str, every: dict[str, Snapshot]) -> dict[str, Snapshot]:
    return {name: found for name, found in every.items() if name.startswith(f"{server}.")}


def write() -> Path:
    """Keep this release's surface, one line each."""
    FOLDER.mkdir(exist_ok=True)
    path = FOLDER / f"{this_release().version}.json"
    lines = [
        f"{json.dumps(name)}: {json.dumps(slim(found), separators=(',', ':'))}"
        for name, found in surface.kept().items()
    ]
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    return path


if __name__ == "__main__":
    print(write())  # noqa: T201 - it is what the command is for
