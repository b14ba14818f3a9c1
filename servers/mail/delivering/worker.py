"""What runs in each replica: it takes what is due, for any tenant, and hands it to the relay."""

import time
from collections import deque
from contextlib import ExitStack

import anyio
import structlog
from sqlalchemy import text

from servers.mail.delivering.pacing import EVERY
from servers.mail.delivering.sending import Sender
from servers.mail.delivering.taking import NOBODY, Taken, renew, take
from shared.core import metrics
from shared.core.background import Background
from shared.core.errors import Failure
from shared.core.settings import Settings
from shared.edge.outbound.smtp import Relay, open_relay
from shared.state.database import Statement

_BEATS = 3.0
"""How often a lease is renewed while it lasts."""
_BACK_OFF_S = 5.0
_COUNT_S = 5.0
_AHEAD = 4
"""Mails taken at a time, for each connection: those that wait for one wait here."""

_DEPTH = Statement(
    text("""
    SELECT count(*) FILTER (WHERE due_at <= now() OR lease IS NOT NULL) AS due,
        count(*) FILTER (WHERE due_at > now() AND lease IS NULL) AS later
    FROM mail.queue WHERE task = 'send'
    """)
)

log = structlog.get_logger("mail")


async def deliver(background: Background) -> None:
    """Until cancelled; an outage of the database, the audit or the relay is waited out. Without a relay mails wait."""
    settings: Settings = background.settings
    async with open_relay(settings.smtp, settings.mail) as relay:
        worker = Worker(background, relay)
        with ExitStack() as stack:
            for state in ("due", "later"):
                stack.enter_context(metrics.MAILS_WAITING.reading(lambda state=state: worker.depth[state], state))
            await worker.work()


class Worker:
    """One process's.

    Attributes:
        depth: Mails that wait, as it last looked.
    """

    def __init__(self, background: Background, relay: Relay) -> None:
        self._database = background.database
        self._delivery = background.settings.mail
        self._relay = relay
        self._sender = Sender(background, relay, self._delivery, self._rest)
        self._ahead: deque[Taken] = deque()
        self._held: list[Taken] = []
        self._taking = anyio.Lock()
        self._resting: dict[str, float] = {}
        self.depth = {"due": 0, "later": 0}

    async def work(self) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._beat)
            tasks.start_soon(self._count)
            for _ in range(self._relay.smtp.connections):
                tasks.start_soon(self._one_after_another)
            try:
                await anyio.sleep_forever()
            finally:
                self._sender.hurry()

    async def _one_after_another(self) -> None:
        while True:
            taken = await self._next()
            try:
                await self._sender.settle(taken)
            except Failure as failure:
                log.warning("mails wait", code=failure.code)
                await anyio.sleep(_BACK_OFF_S)
            except Exception:  # the others go on; this one's lease runs out, and it is tried again
                log.exception("a mail could not be dealt with", mail=taken.mail_id)
                await anyio.sleep(_BACK_OFF_S)
            finally:
                self._held.remove(taken)

    async def _next(self) -> Taken:
        async with self._taking:
            while True:
                while self._ahead:
                    taken = self._ahead.popleft()
                    if not taken.lost and time.monotonic() < taken.until:
                        return taken
                    self._held.remove(taken)
                if not await self._take():
                    await anyio.sleep(self._delivery.poll_s)

    async def _take(self) -> bool:
        """Whether there is anything to do."""
        try:
            found = await take(
                self._database,
                _AHEAD * self._relay.smtp.connections,
                sending=self._may_send(),
                resting=[*self._resting],
                lifetime_s=self._delivery.lifetime_h * 3600,
                lease_s=self._delivery.lease_s,
            )
        except Failure as failure:
            log.warning("mails wait", code=failure.code)
            return False
        self._ahead.extend(found)
        self._held.extend(found)
        return bool(found)

    def _may_send(self) -> bool:
        now = time.monotonic()
        self._resting = {domain: until for domain, until in self._resting.items() if until > now}
        return self._relay.smtp.host is not None and self._relay.wait_s() <= 0 and EVERY not in self._resting

    def _rest(self, domain: str, wait_s: float) -> None:
        self._resting[domain] = time.monotonic() + wait_s

    async def _beat(self) -> None:
        while True:
            await anyio.sleep(self._delivery.lease_s / _BEATS)
            await renew(self._database, list(self._held), self._delivery.lease_s)

    async def _count(self) -> None:
        while True:
            try:
                async with self._database.transaction(NOBODY) as transaction:
                    row = await transaction.row(_DEPTH)
                self.depth = {"due": row["due"], "later": row["later"]} if row else self.depth
            except Failure as failure:
                log.warning("waiting mails could not be counted", code=failure.code)
            await anyio.sleep(_COUNT_S)
