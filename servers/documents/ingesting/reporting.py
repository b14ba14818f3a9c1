"""What came of an ingest."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from servers.documents.ingesting.planning import Change
from servers.documents.ingesting.skipping import Skipped

CHANGES: tuple[Change, ...] = ("added", "changed", "restored", "archived")


@dataclass
class Report:
    """Kept up to date while the run goes on, so that it tells of one that failed, too.

    Attributes:
        run: Names the run in the audit.
        outcome: `ok`, or the code of what ended it; empty while it goes on.
        changes: The paths that were written, by what was done; of a dry run, that would have been.
        vanished: Paths of documents whose files are gone; archived if that was asked for.
        skipped: What could not be taken.
        ignored: What is left out by rule.
        notes: What was odd about a file that was taken: path and words.
        read: Bytes of all files that were read.
    """

    run: str
    collection: str
    tenant: str
    dry_run: bool
    outcome: str = ""
    found: int = 0
    unchanged: int = 0
    changes: dict[Change, list[str]] = field(default_factory=lambda: {change: [] for change in CHANGES})
    vanished: list[str] = field(default_factory=list[str])
    skipped: list[Skipped] = field(default_factory=list[Skipped])
    ignored: list[Skipped] = field(default_factory=list[Skipped])
    notes: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    read: int = 0
    seconds: float = 0.0

    @property
    def handled(self) -> int:
        """Files that are done with."""
        written = sum(len(paths) for change, paths in self.changes.items() if change != "archived")
        return self.unchanged + written + len(self.skipped)

    @property
    def counts(self) -> dict[str, int]:
        """How many of each."""
        written = {change: len(paths) for change, paths in self.changes.items()}
        rest = {"vanished": len(self.vanished), "skipped": len(self.skipped), "ignored": len(self.ignored)}
        return {"found": self.found, **written, "unchanged": self.unchanged, **rest}

    @property
    def skipped_by(self) -> dict[str, int]:
        """How many for each reason, the most first."""
        return dict(Counter(skipped.code for skipped in self.skipped).most_common())

    def as_object(self) -> dict[str, Any]:
        """For `--report`: JSON of everything."""

        def shown(those: list[Skipped]) -> list[dict[str, str]]:
            return [{"path": each.path, "code": each.code, "message": each.message} for each in those]

        return {
            **{"run": self.run, "collection": self.collection, "tenant": self.tenant, "dry_run": self.dry_run},
            **{"outcome": self.outcome, "counts": self.counts, "skipped_by": self.skipped_by},
            **{change: sorted(paths) for change, paths in self.changes.items()},
            "vanished": self.vanished,
            "skipped": shown(self.skipped),
            "ignored": shown(self.ignored),
            "notes": [{"path": path, "note": note} for path, note in self.notes],
            **{"bytes": self.read, "seconds": round(self.seconds, 3)},
        }
