"""Who mail comes from: identities of the tenant, picked by name and never written by a caller."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict

from servers.mail import queries
from servers.mail.arguments import Nothing
from servers.mail.safety.addresses import Address, checked_address
from servers.mail.safety.rules import covers
from servers.mail.tools import tools
from shared.core.errors import Invalid, NotFound
from shared.core.tool import Answer, Call, Queries
from shared.steps.redaction import Exact


class Sender(BaseModel):
    """One identity, as it is kept.

    Attributes:
        domains: If there are any, it writes to these only, and to what is below them.
        unsubscribe_url: With `{token}`, for bulk mail (RFC 8058).
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    address: str
    display_name: str
    reply_to: str | None
    domains: list[str]
    unsubscribe_url: str | None
    version: int

    @property
    def mailbox(self) -> Address:
        """What stands in From."""
        bare = checked_address(self.address)
        return Address(bare.local, bare.domain, self.display_name)

    def require(self, domains: set[str]) -> None:
        """Nothing, if it may write to all of these domains.

        Raises:
            Invalid: It may not; the message names those it may write to.
        """
        other = {domain for domain in domains if self.domains and not covers(self.domains, domain)}
        if other:
            raise Invalid(
                f"The sender {self.name} writes to {', '.join(self.domains)} only, and not to "
                f"{', '.join(sorted(other)[:5])}. Take another sender (list_senders), or leave those out.",
                domains=sorted(other)[:20],
            )

    def unsubscribe(self, token: str) -> str | None:
        """Where one recipient of one bulk mail unsubscribes."""
        return self.unsubscribe_url.replace("{token}", token) if self.unsubscribe_url else None


class SenderShown(Answer):
    """Somebody mail can come from."""

    name: Annotated[str, Exact()]
    shown: Annotated[str, Exact()]
    reply_to: Annotated[str | None, Exact()]
    domains: list[Annotated[str, Exact()]]
    bulk: bool


class Senders(Answer):
    """All there are."""

    senders: list[SenderShown]


@tools.read("mail:read")
async def list_senders(call: Call, query: Nothing) -> Senders:
    """List who mail can come from: pass `name` as `sender`. Those with `domains` write to these only; those with
    `bulk` can send to many.
    """
    del query
    rows = await call.database.rows(queries.SENDERS)
    return Senders(senders=[_shown(Sender.model_validate(row)) for row in map(dict, rows)])


def _shown(sender: Sender) -> SenderShown:
    return SenderShown(
        name=sender.name,
        shown=sender.mailbox.shown,
        reply_to=sender.reply_to,
        domains=sender.domains,
        bulk=sender.unsubscribe_url is not None,
    )


async def sender_of(reads: Queries, name: str) -> Sender:
    """The sender of that name.

    Raises:
        NotFound: There is none; the message names those there are.
    """
    senders = await senders_of(reads)
    if name not in senders:
        there = ", ".join(senders) or "none; an administrator has to make one"
        raise NotFound(f"There is no sender {name}. There are: {there}.")
    return senders[name]


async def senders_of(reads: Queries) -> dict[str, Sender]:
    """All, by name."""
    return {row["name"]: Sender.model_validate(dict(row)) for row in await reads.rows(queries.SENDERS)}
