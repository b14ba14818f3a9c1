"""Takes what is to be told of approvals from the queue: at least once, until it was told or too late."""

import random
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio
import structlog

from servers.console.notifying.saying import News
from shared.core.approvals import ApprovalState, Kept
from shared.core.background import Background
from shared.core.errors import Failure
from shared.core.notify_settings import Notify, key_of
from shared.core.settings import Settings
from shared.edge.outbound.smtp import Letter, Relay, Unreachable, open_relay
from shared.edge.outbound.smtp.handing import hand_over
from shared.edge.outbound.webhooks import Webhooks, open_webhooks
from shared.state.approvals.asking import Asking
from shared.state.approvals.queue import TELLING, Due, Queue

ATTEMPTS_MAX = 12
"""Then it is given up: the call still waits, and the console shows it."""

_LEASE_S = 120
_POLL_S = 0.5
_FIRST_WAIT_S = 2.0
_LONGEST_WAIT_S = 600.0
_AWAY_S = 5.0

log = structlog.get_logger("notifying")


async def notify(background: Background) -> None:
    """A worker of the console (`Server.workers`), until cancelled."""
    async with open_notifier(background) as notifier:
        while True:
            wait_s = await notifier.turn()
            await anyio.sleep(wait_s)


@dataclass
class Notifier:
    """One process's.

    Attributes:
        told: Of news that could not be told everywhere, where it was: those are not told twice by this process.
    """

    settings: Settings
    queue: Queue
    asking: Asking
    webhooks: Webhooks
    relay: Relay | None
    told: dict[str, set[str]] = field(default_factory=dict[str, set[str]])

    async def turn(self) -> float:
        """Tell what is due; how many seconds to wait for the next."""
        try:
            due = await self.queue.take(TELLING, _LEASE_S)
            if due is not None:
                await self._tell(due)
        except Failure as failure:
            log.warning("nobody is told of approvals", code=failure.code)
            return _AWAY_S
        return 0 if due else _POLL_S

    async def _tell(self, due: Due) -> None:
        approval = await self.asking.one(due.tenant, due.approval_id)
        whom = self.settings.notify.get(due.tenant)
        if approval is None or approval.state is not ApprovalState.PENDING or whom is None:
            self.told.pop(_key(due), None)
            await self.queue.drop(due)
            return
        news = News(due.task.removeprefix("tell_"), approval, _url(self.settings, approval))
        done = self.told.setdefault(_key(due), set())
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._by_webhook, whom, news, done)
            tasks.start_soon(self._by_mail, whom, news, done)
        if done >= {"webhook", "mail"} or due.attempts >= ATTEMPTS_MAX:
            if due.attempts >= ATTEMPTS_MAX:
                log.error("nobody could be told of an approval", approval=due.approval_id, told=sorted(done))
            self.told.pop(_key(due), None)
            await self.queue.drop(due)
            return
        # Jitter: those that failed together must not come back together.
        wait_s = min(_FIRST_WAIT_S * 2 ** (due.attempts - 1), _LONGEST_WAIT_S)
        await self.queue.later(due, wait_s * random.uniform(0.5, 1))  # noqa: S311 - not a secret

    async def _by_webhook(self, whom: Notify, news: News, done: set[str]) -> None:
        if whom.webhook_url is None or "webhook" in done:
            done.add("webhook")
            return
        keys = [key_of(secret) for secret in whom.webhook_secrets]
        taken = await self.webhooks.send(whom.webhook_url, keys, news.id, news.webhook(), inside=whom.webhook_inside)
        if taken != "later":
            done.add("webhook")

    async def _by_mail(self, whom: Notify, news: News, done: set[str]) -> None:
        if not whom.mail_to or whom.mail_from is None or self.relay is None or "mail" in done:
            done.add("mail")
            return
        letter = Letter(whom.mail_from, whom.mail_to, news.mail(whom.mail_from, whom.mail_to))
        try:
            async with self.relay.connection() as connection:
                handed = await hand_over(connection, letter, self.settings.smtp, lambda: None)
        except Unreachable as error:
            log.warning("the relay takes no mail", trouble=error.trouble)
            return
        if handed.became in {"taken", "refused"}:
            done.add("mail")
        if handed.refused:
            log.error("the relay refused to tell approvers", addresses=len(handed.refused), reply=str(handed.reply))


@asynccontextmanager
async def open_notifier(background: Background) -> AsyncGenerator[Notifier]:
    """What tells, over the pool of the process."""
    settings: Settings = background.settings
    asking = Asking(background.database, settings)
    async with open_webhooks() as webhooks, open_relay(settings.smtp, settings.mail) as relay:
        known = relay if settings.smtp.host else None
        yield Notifier(settings, Queue(background.database), asking, webhooks, known)


def _key(due: Due) -> str:
    return f"{due.tenant} {due.approval_id} {due.task}"


def _url(settings: Settings, approval: Kept) -> str:
    return f"{settings.console_base_url}/approvals/{approval.id}"
