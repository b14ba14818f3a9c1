"""Refusals before a caller is known, counted per source and reason: anonymous traffic makes us write little."""

from collections import Counter
from uuid import uuid4

import anyio

from shared.core import metrics
from shared.core.errors import Unavailable
from shared.steps.audit import Sink
from shared.steps.audit.entry import now

_SOURCES_MAX = 1000
_FLUSH_S = 60.0


class Refusals:
    """Counts, written to the audit as one record a minute at most."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._counts: Counter[tuple[str, str, str]] = Counter()

    def count(self, server: str, reason: str, source: str | None) -> None:
        metrics.EDGE_REFUSALS.add(server, reason)
        key = (server, reason, source or "unknown")
        if key not in self._counts and len(self._counts) >= _SOURCES_MAX:
            key = (server, reason, "others")
        self._counts[key] += 1

    async def run(self) -> None:
        """Flush every minute until cancelled, and once more at the end."""
        try:
            while True:
                await anyio.sleep(_FLUSH_S)
                await self.flush()
        finally:
            with anyio.CancelScope(shield=True):
                await self.flush()

    async def flush(self) -> None:
        """Write what was counted; while the audit store is away, go on counting."""
        if not self._counts:
            return
        counts, self._counts = self._counts, Counter()
        listed = [
            {"server": server, "reason": reason, "source": source, "count": count}
            for (server, reason, source), count in counts.most_common()
        ]
        record = {"v": 1, "id": str(uuid4()), "at": now(), "kind": "refusals", "refusals": listed}
        try:
            await self._sink.write(record)
        except Unavailable:
            self._counts += counts
