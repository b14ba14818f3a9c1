"""What a run is to do, and what it works with."""

import os
import re
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from servers.documents.addresses import COLLECTION
from servers.documents.ingesting.scanning import ENTRIES_MAX
from servers.documents.ingesting.wishes import Wishes
from shared.core.call import Queries
from shared.core.errors import Invalid


class Journal(Protocol):
    """Where a run reads and writes, and what it did is recorded."""

    def reads(self, rights: Sequence[str]) -> Queries:
        """What somebody with these rights sees."""
        ...

    def change(self, rights: Sequence[str], facts: dict[str, Any]) -> AbstractAsyncContextManager[Queries]:
        """A transaction that is recorded: what is to be done before it begins, and what became of it.

        Args:
            rights: What row-level security asks of whoever writes.
            facts: For the record; the body may change them.
        """
        ...


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be done.

    Attributes:
        by: Who runs the command.
        overwrite: Whether the folder counts more than what people changed through the server.
        agreed: Whether most of a collection may be put away.
        workers: Processes that parse.
        most: Files and folders that are looked at, at most.
    """

    root: Path
    collection: str
    tenant: str
    by: str
    wishes: Wishes
    prune: bool = False
    overwrite: bool = False
    dry_run: bool = False
    agreed: bool = False
    workers: int = os.cpu_count() or 1
    most: int = ENTRIES_MAX

    def __post_init__(self) -> None:
        """Raises:
        Invalid: The collection has no name that a URI can have.
        """
        if not re.fullmatch(COLLECTION, self.collection):
            raise Invalid("A collection is named by small letters, digits and hyphens, at most 64, like handbook.")
