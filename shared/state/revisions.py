"""Alembic revisions as files: named by their number, which is all one has to know to see that one is missing."""

from pathlib import Path

SUITE_REVISIONS = Path(__file__).parent / "migrations"
"""Of the suite's own schema."""


def newest_revision(folder: Path) -> str:
    """The highest number that a revision's file name starts with; revisions are named by these numbers."""
    return max(path.name.partition("_")[0] for path in folder.glob("[0-9]*_*.py"))
