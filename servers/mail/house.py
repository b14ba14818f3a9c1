"""A tenant's rules about domains: which are its own, and which may or may not be written to."""

from collections.abc import Iterable
from dataclasses import dataclass

from servers.mail import queries
from servers.mail.safety.rules import Rules, covers
from servers.mail.senders import Sender, senders_of
from shared.core.tool import Queries


@dataclass(frozen=True)
class House:
    """What holds for all mail of one tenant.

    Attributes:
        own: Its own domains: whoever has an address there is inside.
        rules: As safety checks them.
    """

    own: frozenset[str]
    rules: Rules

    def inside(self, domain: str) -> bool:
        """Whether addresses of the domain are the tenant's own."""
        return covers(self.own, domain)


async def house_of(reads: Queries) -> House:
    """The rules as they are now. With a domain that is allowed, all others but the own ones are not."""
    rows = await reads.rows(queries.RULES)
    by_verdict = {
        verdict: frozenset(row["domain"] for row in rows if row["verdict"] == verdict)
        for verdict in ("own", "allowed", "denied")
    }
    own, allowed = by_verdict["own"], by_verdict["allowed"]
    senders = (await senders_of(reads)).values()
    return House(
        own,
        Rules(
            own_domains=own | _domains(senders) if own else own,
            known_domains=own | allowed,
            internal_names=frozenset(sender.display_name for sender in senders),
            allowed_domains=allowed | own if allowed else allowed,
            denied_domains=by_verdict["denied"],
        ),
    )


def _domains(senders: Iterable[Sender]) -> frozenset[str]:
    """An administrator named them as senders, so they are the tenant's to send from."""
    return frozenset(sender.mailbox.domain for sender in senders)
