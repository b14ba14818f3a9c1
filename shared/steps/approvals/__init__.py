"""Before a call is done: the caller's own user confirms it, or other people approve it, as policy decided.

- `approvals.py`   what came of a call so far, and asking people
- `case.py`        one call, as the pipeline asks of it
- `confirming.py`  the caller's own yes
- `words.py`       what the caller is told
"""

from shared.steps.approvals.approvals import CALLERS, CONSOLE, Approvals, Publish

__all__ = ["CALLERS", "CONSOLE", "Approvals", "Publish"]
