"""What Vault lent this process, renewed for as long as the process lives (docs/secrets.md).

A lease is renewed after about two thirds of its time, at a moment of chance: replicas that started together must not
ask together. While Vault is away we go on, and ask again until the lease has ended; then `/readyz` says so. What
cannot be renewed any further ends the process in order before it expires, so that it starts anew with fresh secrets.
"""

import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import anyio
import structlog

from shared.core.errors import Misconfigured, Unavailable
from shared.core.metrics import VAULT_LEASE_EXPIRY, VAULT_RENEWALS
from shared.ops.vault.lease import Away, Lease, Refused

if TYPE_CHECKING:
    from shared.ops.vault.session import Session

_RENEW_AFTER = (0.55, 0.7)
_END_AFTER = (0.7, 0.9)
_ENOUGH = 0.95
"""Share of the time we asked for; who gets less has come to the longest time that the lease may have."""
_LONGEST_RETRY_S = 60.0
_SHORTEST_RETRY_S = 0.5

log = structlog.get_logger("vault")


@dataclass
class _Held:
    """One lease, and until when we have it."""

    lease: Lease
    wanted_s: float
    until: float = field(default=0)

    def __post_init__(self) -> None:
        self.until = time.monotonic() + self.lease.ttl_s

    @property
    def left_s(self) -> float:
        return self.until - time.monotonic()

    def expires_at(self) -> float:
        """Seconds since the epoch."""
        return time.time() + self.left_s

    def renewed(self, lease: Lease) -> None:
        self.lease = lease
        self.until = time.monotonic() + lease.ttl_s


class Leases:
    """All that was lent to this process."""

    def __init__(self) -> None:
        self._session: Session | None = None
        self._held: list[_Held] = []
        self._one_at_a_time = anyio.Lock()

    def take(self, session: "Session", lent: Sequence[Lease]) -> None:
        """Keep what was lent; of a session that lent nothing its token is given back at once."""
        self._session = session
        if not lent:
            self.give_back()
            return
        token = session.own_token()
        self._held = [_Held(lease, lease.ttl_s) for lease in (*lent, *([token] if token else []))]

    @property
    def checks(self) -> dict[str, Callable[[], Awaitable[None]]]:
        """What `/readyz` asks; nothing if nothing was lent."""
        return {"vault": self._check} if self._held else {}

    async def _check(self) -> None:
        if ended := [held.lease.name for held in self._held if held.left_s <= 0]:
            raise Unavailable(f"lease ended: {', '.join(ended)}")

    def give_back(self) -> None:
        """End what was lent, as far as it hangs on a token that we signed in for; once nothing uses it any more."""
        session, self._session, self._held = self._session, None, []
        if session is not None:
            try:
                session.give_back()
            except Misconfigured as error:
                log.warning("vault_token_not_given_back", why=str(error))

    @asynccontextmanager
    async def renewing(self, end: Callable[[], None] | None = None) -> AsyncGenerator[None]:
        """Renew all of it for as long as the context lasts.

        Args:
            end: Ends this process in order, for somebody else to start it anew; without it we serve until the end.
        """
        session = self._session
        if session is None:
            yield
            return
        with ExitStack() as stack:
            for held in self._held:
                stack.enter_context(VAULT_LEASE_EXPIRY.reading(held.expires_at, held.lease.name))
            async with anyio.create_task_group() as tasks:
                for held in self._held:
                    tasks.start_soon(self._keep, session, held, end)
                yield
                tasks.cancel_scope.cancel()

    async def _keep(self, session: "Session", held: _Held, end: Callable[[], None] | None) -> None:
        while held.lease.renewable:
            await anyio.sleep(held.left_s * random.uniform(*_RENEW_AFTER))  # noqa: S311 - see above
            if not await self._renewed(session, held):
                break
        await _last(held, end)

    async def _renewed(self, session: "Session", held: _Held) -> bool:
        """Whether there is a next time to renew it."""
        name = held.lease.name
        while True:
            try:
                async with self._one_at_a_time:
                    renewed = await anyio.to_thread.run_sync(
                        session.renew, held.lease, held.wanted_s, abandon_on_cancel=True
                    )
            except Away:
                VAULT_RENEWALS.add(name, "away")
                log.warning("vault_away", lease=name, left_s=round(held.left_s))
                await anyio.sleep(_retry_s(held.left_s))
            except Refused as error:
                VAULT_RENEWALS.add(name, "refused")
                log.error("vault_lease_not_renewed", lease=name, left_s=round(held.left_s), why=str(error))
                return False
            else:
                held.renewed(renewed)
                enough = renewed.ttl_s >= _ENOUGH * held.wanted_s
                VAULT_RENEWALS.add(name, "renewed" if enough else "shortened")
                return enough


async def _last(held: _Held, end: Callable[[], None] | None) -> None:
    """The lease will end, whatever we do."""
    left_s = max(0.0, held.left_s)
    log.warning("vault_lease_will_end", lease=held.lease.name, left_s=round(left_s), restarts=end is not None)
    if end is None:
        return
    await anyio.sleep(left_s * random.uniform(*_END_AFTER))  # noqa: S311 - see above
    log.warning("ending_for_new_secrets", lease=held.lease.name)
    end()


def _retry_s(left_s: float) -> float:
    longest = min(_LONGEST_RETRY_S, max(_SHORTEST_RETRY_S, left_s / 10)) if left_s > 0 else _LONGEST_RETRY_S
    return random.uniform(longest / 2, longest)  # noqa: S311 - see above


LENT = Leases()
"""To this process, as its settings were read."""
