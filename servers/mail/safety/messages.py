"""A mail as it is handed in, and as it is built."""

from dataclasses import dataclass
from datetime import datetime

from servers.mail.safety.addresses import Address
from servers.mail.safety.findings import Finding


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file: `mime` is what it is said to be, without parameters."""

    name: str
    mime: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A mail as it is handed in; nothing of it is trusted.

    Attributes:
        sender: One of the tenant's identities.
        to, cc, bcc, reply_to: `local@domain` or `Name <local@domain>`, or checked already.
        subject: At most 250 characters, in one line.
        text: If empty, it is made of the HTML.
        message_id: Ours, and the same for each try to send it.
        date: With a time zone; a part of the message, so keep it with the mail.
        html: If None, the mail is plain text.
        attachments: At most 20.
        unsubscribe: For bulk mail: an https address that unsubscribes by one POST (RFC 8058).
        automatic: Nobody wrote it: other programs are told not to answer (RFC 3834).
    """

    sender: str | Address
    to: tuple[str | Address, ...]
    subject: str
    text: str | None
    message_id: str
    date: datetime
    html: str | None = None
    cc: tuple[str | Address, ...] = ()
    bcc: tuple[str | Address, ...] = ()
    reply_to: str | Address | None = None
    attachments: tuple[Attachment, ...] = ()
    unsubscribe: str | None = None
    automatic: bool = False


@dataclass(frozen=True, slots=True)
class People:
    """Everybody a mail is from and to, each recipient once."""

    sender: Address | None
    reply_to: Address | None
    to: tuple[Address, ...]
    cc: tuple[Address, ...]
    bcc: tuple[Address, ...]

    @property
    def recipients(self) -> tuple[str, ...]:
        return tuple(each.mailbox for each in (*self.to, *self.cc, *self.bcc))

    @property
    def beyond_ascii(self) -> bool:
        """Whether the relay has to offer SMTPUTF8 (RFC 6531)."""
        everybody = (*self.to, *self.cc, *self.bcc, *filter(None, (self.sender, self.reply_to)))
        return not all(each.mailbox.isascii() for each in everybody)


@dataclass(frozen=True, slots=True)
class Content:
    """What goes into the MIME message; `headers` beside those of people, subject and date."""

    people: People
    subject: str
    text: str
    html: str | None
    attachments: tuple[Attachment, ...]
    headers: dict[str, str]


@dataclass(frozen=True, slots=True)
class Envelope:
    """For SMTP: Bcc is here and nowhere else."""

    sender: str
    recipients: tuple[str, ...]
    smtputf8: bool


@dataclass(frozen=True, slots=True)
class Attached:
    """An attachment as it goes; `size` in bytes, `digest` SHA-256 of the content in hex."""

    name: str
    mime: str
    size: int
    digest: str


@dataclass(frozen=True, slots=True)
class Built:
    """A mail as it goes.

    Attributes:
        mime: The message, with CRLF line ends.
        digest: SHA-256 of `mime`, in hex.
        payload: SHA-256 of envelope and message, in hex: what an approval can be bound to.
        sender: None if it was refused; likewise, refused recipients are not in `to`, `cc` and `bcc`.
        text, html: Exactly the contents of the message's parts.
        findings: The worst first.
    """

    mime: bytes
    digest: str
    payload: str
    envelope: Envelope
    sender: Address | None
    to: tuple[Address, ...]
    cc: tuple[Address, ...]
    bcc: tuple[Address, ...]
    reply_to: Address | None
    subject: str
    text: str
    html: str | None
    attachments: tuple[Attached, ...]
    findings: tuple[Finding, ...]
