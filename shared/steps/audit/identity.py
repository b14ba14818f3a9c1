"""What the mock identity provider did, in the audit: logins, consents, tokens issued and refused."""

import time
from collections import Counter, deque
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import anyio
import structlog

from shared.core.errors import Unavailable
from shared.steps.audit.entry import Sink, now
from shared.steps.redaction import redact_for_audit

_WAITING_MAX = 1000
_WHO = ("tenant", "subject")
_REFUSALS = ("_failed", "_refused", "_denied", "_reused")
_ANYBODY = {"client_registered", "client_document_read", "client_document_refused", "client_authentication_failed"}
_MINUTE_S = 60.0
_A_MINUTE = 30

log = structlog.get_logger("audit")


class IdentityEvents:
    """Takes events as they happen and writes them in order.

    The provider is no part of the request path and does not wait for the commit; while too many wait, it is
    refused, and so refuses its client. What anybody can cause without signing in is recorded up to 30 times a
    minute for each kind, and counted beyond that.
    """

    def __init__(self, issuer: str) -> None:
        self._issuer = issuer
        self._waiting: deque[dict[str, Any]] = deque()
        self._wake = anyio.Event()
        self._minute = 0
        self._seen: Counter[str] = Counter()

    def report(self, event: Mapping[str, Any]) -> None:
        """Take one event.

        Raises:
            Unavailable: The audit is too far behind.
        """
        if len(self._waiting) >= _WAITING_MAX:
            raise Unavailable("The audit store is too far behind for new logins; retry in a moment.")
        if event["event"] in _ANYBODY and not self._allowed(event["event"]):
            return
        self._waiting.append(self._record(event))
        self._wake.set()

    def _allowed(self, kind: str) -> bool:
        minute = int(time.monotonic() // _MINUTE_S)
        if minute != self._minute:
            self._tell_counted()
            self._minute = minute
        self._seen[kind] += 1
        return self._seen[kind] <= _A_MINUTE

    def _tell_counted(self) -> None:
        """One record for each kind of which there were too many."""
        for kind, count in self._seen.items():
            if count > _A_MINUTE:
                self._waiting.append(self._record({"event": kind, "not_recorded": count - _A_MINUTE}))
        self._seen.clear()

    @asynccontextmanager
    async def written(self, sink: Sink) -> AsyncGenerator[None]:
        """Write them to `sink` as long as the context lasts."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.run, sink)
            try:
                yield
            finally:
                tasks.cancel_scope.cancel()

    async def run(self, sink: Sink) -> None:
        """Write until cancelled, and then what is left; the writer spools what the store cannot take."""
        try:
            while True:
                await self._wake.wait()
                self._wake = anyio.Event()
                await self._flush(sink)
        finally:
            self._tell_counted()
            with anyio.CancelScope(shield=True):
                await self._flush(sink)

    async def _flush(self, sink: Sink) -> None:
        while self._waiting:
            record = self._waiting.popleft()
            try:
                await sink.write(record)
            except Unavailable:
                log.warning("an event of the identity provider went to the spool", target=record["target"])

    def _record(self, event: Mapping[str, Any]) -> dict[str, Any]:
        told = {name: value for name, value in event.items() if name not in {"event", "time", "client_id", *_WHO}}
        kind: str = event["event"]
        return {
            **{"v": 1, "id": str(uuid4()), "at": now(), "kind": "identity", "server": "idp"},
            **{"target_kind": "event", "target": kind, "issuer": self._issuer, "client": event.get("client_id")},
            **{name: event.get(name) for name in _WHO},
            "outcome": "refused" if kind.endswith(_REFUSALS) else "ok",
            "facts": redact_for_audit(told).value,
        }
