"""Which files a folder holds, below it and nowhere else."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from unicodedata import normalize

from servers.documents.addresses import DEPTH_MAX, checked_path
from servers.documents.ingesting import opening
from servers.documents.ingesting.skipping import Rule, Skip, Skipped, printable
from shared.core.errors import Invalid

ENTRIES_MAX = 500_000
"""Files, folders and whatever else is looked at."""

_MACHINERY = frozenset({"node_modules", "__pycache__", "bower_components", "__MACOSX"})
_RULES: dict[Rule, str] = {
    "hidden": "Its name begins with a dot.",
    "machinery": "A tool keeps its own files there.",
}


@dataclass(frozen=True, slots=True)
class File:
    """A file that may become a document.

    Attributes:
        path: In the collection, in normal form.
        parts: Its names, as the file system has them.
    """

    path: str
    parts: tuple[str, ...]


@dataclass
class Scan:
    """What was found.

    Attributes:
        skipped: Files that were meant, perhaps, and cannot be taken.
        ignored: What is left out by rule.
        unseen: Paths that may be there: skipped, or below a folder that was.
    """

    files: list[File] = field(default_factory=list[File])
    skipped: list[Skipped] = field(default_factory=list[Skipped])
    ignored: list[Skipped] = field(default_factory=list[Skipped])
    unseen: set[str] = field(default_factory=set[str])

    def may_hold(self, path: str) -> bool:
        """Whether there may be a file for `path` that was not found: it, or a folder it is in, was skipped."""
        steps = path.split("/")
        return any("/".join(steps[:count]) in self.unseen for count in range(1, len(steps) + 1))


def scan(root: int, most: int = ENTRIES_MAX) -> Scan:
    """What is below an opened folder, in order of name. Takes no more than a name and a size of each from the disk.

    Raises:
        Invalid: There is more than `most`.
    """
    walk = _Walk(most)
    walk.folder(root, ())
    return walk.found


class _Walk:
    def __init__(self, most: int) -> None:
        self.found = Scan()
        self._most = most
        self._left = most
        self._spelt: dict[str, tuple[str, ...]] = {}

    def folder(self, descriptor: int, parts: tuple[str, ...]) -> None:
        with os.scandir(descriptor) as listing:
            entries = list(islice(listing, self._left + 1))
        if len(entries) > self._left:
            raise Invalid(
                f"There are more than {self._most:,} files and folders. Ingest its folders one by one, or raise --most."
            )
        self._left -= len(entries)
        for entry in sorted(entries, key=lambda entry: entry.name):
            here = (*parts, entry.name)
            try:
                self._entry(descriptor, entry, here)
            except Skip as skip:
                self._skip(here, skip)
            except OSError as error:
                self._skip(here, opening.unreadable(error))

    def _entry(self, descriptor: int, entry: "os.DirEntry[str]", here: tuple[str, ...]) -> None:
        rule = _rule(entry.name)
        if rule is not None:
            self.found.ignored.append(Skipped(printable("/".join(here)), rule, _RULES[rule]))
        elif entry.is_symlink():
            raise opening.link()
        elif entry.is_dir(follow_symlinks=False):
            _checked(here, DEPTH_MAX - 1)
            with opening.opened_folder(descriptor, entry.name) as below:
                self.folder(below, here)
        elif not entry.is_file(follow_symlinks=False):
            raise opening.special()
        else:
            path = _checked(here, DEPTH_MAX)
            opening.refuse_large(entry.stat(follow_symlinks=False).st_size)
            if self._spelt.setdefault(path, here) != here:
                raise Skip("twin", "Another file has the same name, spelt with other code points. Remove one of them.")
            self.found.files.append(File(path, here))

    def _skip(self, here: tuple[str, ...], skip: Skip) -> None:
        path = "/".join(here)
        self.found.skipped.append(Skipped(printable(path), skip.code, skip.message))
        self.found.unseen.add(normalize("NFC", path))


def _rule(name: str) -> Rule | None:
    if name.startswith("."):
        return "hidden"
    return "machinery" if name in _MACHINERY else None


def _checked(parts: Sequence[str], most: int) -> str:
    if len(parts) > most:
        raise Skip("deep", f"It is in too many folders: a path has at most {DEPTH_MAX} names.")
    try:
        return checked_path("/".join(parts))
    except ValueError as error:
        raise Skip("name", f"Its name cannot be part of a URI: {error}. Rename it.") from None
