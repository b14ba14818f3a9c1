"""Why a file is left out of the collection."""

from dataclasses import dataclass
from typing import Literal

from servers.documents.formats.refused import Code

Reason = (
    Code
    | Literal[
        "archived",
        "classification",
        "deep",
        "edited",
        "gone",
        "link",
        "moving",
        "name",
        "readers",
        "special",
        "taken",
        "twin",
        "unreadable",
    ]
)
"""As a stable word: those of `servers.documents.formats`, and

- `archived`        somebody put the document away
- `classification`  its front matter names one that we do not know
- `deep`            in more folders than a path may have
- `edited`          somebody changed the document since it was ingested, or wrote it
- `gone`            removed while we looked
- `link`            a symbolic link
- `moving`          changed while we read it, or its document while we wrote it
- `name`            no name that a URI of ours can have
- `readers`         its front matter leaves it no reader
- `special`         a device, pipe or socket
- `taken`           a document that this run cannot see has its URI
- `twin`            another file has the same name, written with other code points
- `unreadable`      the operating system does not let us read it
"""

Rule = Literal["hidden", "machinery"]
"""Why something is not even looked at: its name begins with a dot, or is that of a tool's own folder."""


class Skip(Exception):
    """A file that is left out.

    Attributes:
        message: What is the matter and what to do about it; holds nothing of the file's content.
    """

    def __init__(self, code: Reason, message: str) -> None:
        super().__init__(code, message)
        self.code: Reason = code
        self.message = message


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file, or a folder with all below it, that was left out.

    Attributes:
        path: Below the folder, fit to be printed.
    """

    path: str
    code: Reason | Rule
    message: str


def printable(path: str) -> str:
    """A path as it can be shown and stored: what is not printed, as control and bidirectional characters and bytes
    that are no UTF-8, is spelt out.
    """
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in path)
