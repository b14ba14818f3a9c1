"""What people are told of an approval. Mails and webhooks go through other people's hands: so nothing of what is to be
done is in them, nobody's address, and a link that shows nothing until one has signed in.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP

import orjson

from shared.core.approvals import Kept
from shared.steps.redaction import mask_email

_SUBJECTS = {
    "asked": "A call of {what} waits for approval",
    "escalated": "A call of {what} still waits for approval",
    "expiring": "A call of {what} is about to expire without approval",
}
_BODY = """{subject}.

What:       {what}
Asked by:   {who}
Needs:      the approval of {needed}
Until:      {until}

Look at it and decide, once you have signed in:
{url}

You can decide nothing by this mail, and need not answer it.
"""


@dataclass(frozen=True)
class News:
    """One thing to tell of one approval; told twice, it is the same message.

    Attributes:
        event: `asked`, `escalated` or `expiring`.
        url: Of the page where it is decided.
    """

    event: str
    approval: Kept
    url: str

    @property
    def id(self) -> str:
        """The same whenever it is sent again, and of nothing else."""
        return f"{self.approval.id}.{self.event}"

    @property
    def what(self) -> str:
        return f"{self.approval.tool} at {self.approval.server}"

    @property
    def who(self) -> str:
        """The subject; where that is an address, masked."""
        subject = self.approval.subject
        shown = mask_email(subject) if "@" in subject else subject
        actors = ", ".join(self.approval.actors)
        return f"{shown} through {actors}" if actors else shown

    def webhook(self) -> bytes:
        """The body of a webhook."""
        approval = self.approval
        data = {
            **{"approval_id": approval.id, "tenant": approval.tenant, "server": approval.server, "tool": approval.tool},
            **{"asked_by": self.who, "needed": approval.needed, "review_url": self.url},
            **{"created_at": _stated(approval.created_at), "expires_at": _stated(approval.expires_at)},
        }
        told = {"type": f"approval.{self.event}", "timestamp": _stated(approval.created_at), "data": data}
        return orjson.dumps(told)

    def mail(self, sender: str, recipients: Sequence[str]) -> bytes:
        """A mail of plain text; its Message-ID is the same whenever it is sent again."""
        subject = _SUBJECTS[self.event].format(what=self.what)
        message = EmailMessage(policy=SMTP)
        message["From"] = sender
        message["To"] = ", ".join(recipients)
        message["Subject"] = subject
        message["Date"] = self.approval.created_at
        message["Message-ID"] = f"<{self.id.lower()}@{sender.rpartition('@')[2]}>"
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's absence note answers it
        needed = "one person" if self.approval.needed == 1 else f"{self.approval.needed} people"
        until = f"{self.approval.expires_at:%Y-%m-%d %H:%M} UTC"
        told = {"subject": subject, "what": self.what, "who": self.who, "needed": needed, "until": until}
        message.set_content(_BODY.format(**told, url=self.url))
        return message.as_bytes()


def _stated(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
