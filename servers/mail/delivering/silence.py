"""Since when the relay does not answer, for all replicas and everybody who asks."""

import time

from sqlalchemy import text

from servers.mail.delivering.taking import NOBODY
from shared.edge.outbound.smtp import Unreachable
from shared.state.database import Database, Statement

_NOTE_S = 1.0
_SILENT = Statement(
    text("UPDATE mail.relay SET silent_since = coalesce(silent_since, now()), trouble = :trouble RETURNING only_one")
)
_ANSWERS = Statement(
    text("UPDATE mail.relay SET silent_since = NULL, trouble = NULL WHERE silent_since IS NOT NULL RETURNING only_one")
)


class Silence:
    """What one process notes of it, once a second at most; whoever hears the relay again ends it for all."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._noted: dict[str, float] = {}

    async def begins(self, why: Unreachable) -> None:
        if why.trouble != "left_alone" and self._due("silent"):
            async with self._database.transaction(NOBODY) as transaction:
                await transaction.rows(_SILENT, trouble=why.trouble)

    async def ends(self) -> None:
        if self._due("answers"):
            async with self._database.transaction(NOBODY) as transaction:
                await transaction.rows(_ANSWERS)

    def _due(self, what: str) -> bool:
        """Whether to note it: not if that was the last thing noted, a moment ago."""
        now = time.monotonic()
        if now - self._noted.get(what, -_NOTE_S) < _NOTE_S:
            return False
        self._noted = {what: now}
        return True
