"""The way of one mail that was taken from the queue."""

import os
import platform
import time
from collections.abc import Callable

import anyio
import structlog
from sqlalchemy import text

from servers.mail.delivering import attempting, recording
from servers.mail.delivering.attempting import Begun
from servers.mail.delivering.concluding import concluded, given_up, unknown
from servers.mail.delivering.pacing import paced
from servers.mail.delivering.queueing import cancel
from servers.mail.delivering.silence import Silence
from servers.mail.delivering.taking import LeaseLost, Taken, put_back
from shared.core import metrics
from shared.core.background import Background
from shared.core.smtp_settings import Delivery
from shared.edge.outbound.smtp import Connection, Handed, Relay, Unreachable
from shared.edge.outbound.smtp.handing import hand_over
from shared.state.database import Statement

_LAST_S = 10.0
"""How long a mail that is being handed over when the process ends may take to come to its end."""
_AGAIN_S = 1.0

_RECIPIENTS = Statement(text("SELECT address, domain, state FROM mail.recipients WHERE mail_id = :id ORDER BY n"))
_STOPPED = Statement(
    text("""
    SELECT true FROM mail.mails AS m JOIN mail.bulks AS b ON b.job_id = m.job_id
    WHERE m.id = :id AND b.cancelled_at IS NOT NULL
    """)
)

log = structlog.get_logger("mail")

Rest = Callable[[str, float], None]
"""Notes that nothing may go to a domain for so many seconds."""


class Sender:
    """Sends what it is given, one mail after another or several at a time."""

    def __init__(self, background: Background, relay: Relay, delivery: Delivery, rest: Rest) -> None:
        self._background = background
        self._database = background.database
        self._relay = relay
        self._delivery = delivery
        self._rest = rest
        self._silence = Silence(self._database)
        self._worker = f"{platform.node()}:{os.getpid()}"[:64]
        self._under_way: set[anyio.CancelScope] = set()

    def hurry(self) -> None:
        """The process ends: what is being handed over has a few seconds left."""
        for scope in self._under_way:
            scope.deadline = anyio.current_time() + _LAST_S

    async def settle(self, taken: Taken) -> None:
        """Do what its row says, and tell the audit. Whatever goes wrong here, the lease runs out and somebody goes on.

        Raises:
            Failure: The database or the audit is away.
        """
        try:
            if taken.task == "send" and not await self._sent(taken):
                return
            await recording.tell(self._background, taken)
        except LeaseLost:
            log.info("a mail was cancelled or taken over", mail=taken.mail_id)

    async def _sent(self, taken: Taken) -> bool:
        """Whether there is anything to tell."""
        everybody = await self._recipients(taken)
        if everybody is None:
            return False
        waiting = {address: domain for address, domain, state in everybody if state == "waiting"}
        before = sum(state == "sent" for *_, state in everybody)
        if taken.too_old:
            return await self._give_up(taken, [*waiting], before)
        for domain, wait_s in (await paced(self._database, self._delivery, waiting.values())).items():
            self._rest(domain, wait_s)
            await put_back(self._database, taken, wait_s)
            return False
        try:
            async with self._relay.connection() as connection:
                await self._silence.ends()
                return await self._attempt(taken, connection, before)
        except Unreachable as why:
            await self._silence.begins(why)
            await put_back(self._database, taken, _AGAIN_S)  # while it is left alone nobody takes it
            return False

    async def _recipients(self, taken: Taken) -> list[tuple[str, str, str]] | None:
        """Everybody; None once it is cancelled, as its bulk was while an attempt was under way."""
        async with self._database.transaction(taken.tenant) as transaction:
            stopped = await transaction.row(_STOPPED, id=taken.mail_id)
            if stopped is not None and await cancel(transaction, taken.mail_id) == "cancelled":
                return None
            rows = await transaction.rows(_RECIPIENTS, id=taken.mail_id)
        return [(row["address"], row["domain"], row["state"]) for row in rows]

    async def _attempt(self, taken: Taken, connection: Connection, before: int) -> bool:
        begun = await attempting.begin(self._database, taken, self._worker)
        if begun is None:
            return await self._left(taken)
        # Cancelled, as a replica is when it stops, it comes to its end all the same: that keeps mails from going twice.
        with anyio.CancelScope(shield=True) as scope:
            self._under_way.add(scope)
            try:
                await self._over(taken, begun, connection, before)
            finally:
                self._under_way.discard(scope)
        connection.broken |= scope.cancelled_caught
        return not scope.cancelled_caught

    async def _over(self, taken: Taken, begun: Begun, connection: Connection, before: int) -> None:
        began = time.perf_counter()
        handed = await self._handed(taken, begun, connection)
        metrics.MAILS.add(handed.became)
        metrics.MAIL_S.observe(time.perf_counter() - began, handed.became)
        ended = concluded(begun, handed, self._delivery, before)
        try:
            await attempting.end(self._database, taken, ended)
        except LeaseLost:
            log.warning("a mail was taken over while the relay had it", mail=taken.mail_id, became=handed.became)
            raise
        metrics.MAILS_BOUNCED.add(by=len(ended.bounced))
        if ended.state in {"sent", "failed"}:
            metrics.MAILS_ENDED.add(ended.state)

    async def _handed(self, taken: Taken, begun: Begun, connection: Connection) -> Handed:
        return await hand_over(connection, begun.letter, self._relay.smtp, taken.require)

    async def _left(self, taken: Taken) -> bool:
        """It does not wait: a worker died while it was sending it, or there is only something to tell."""
        state, attempt = await attempting.look(self._database, taken)
        if state == "sending":
            metrics.MAILS.add("worker_lost")
            log.warning("a worker was lost while it sent a mail", mail=taken.mail_id, attempt=attempt)
            await attempting.end(self._database, taken, unknown(attempt, self._delivery, "worker_lost"))
        return True

    async def _give_up(self, taken: Taken, waiting: list[str], before: int) -> bool:
        await attempting.end(self._database, taken, given_up(waiting, before))
        metrics.MAILS_ENDED.add("dead")
        return True
