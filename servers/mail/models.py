"""The words of mail: what a field may hold, who may see it, and mails as they are shown."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from servers.mail.templating.variables import NAME, Given
from shared.core.fields import OneLine, Storable
from shared.core.tool import Answer
from shared.steps.redaction import Exact, Sensitive, mask_email

PII = "mail:pii"
BULK = "mail:bulk"
RECIPIENTS_MAX = 50
"""To, Cc and Bcc together."""
BULK_MAX = 10_000
ATTACHMENTS_MAX = 10
ATTACHMENTS_BYTES_MAX = 5 * 2**20


def mask_recipient(text: str) -> str:
    """A customer's id as it is, an address masked."""
    return mask_email(text) if "@" in text else text


DraftId = Annotated[str, Exact(), Field(pattern=r"^D-[0-9A-HJKMNP-TV-Z]{26}$", description="Like D-….")]
MailId = Annotated[str, Exact(), Field(pattern=r"^M-[0-9A-HJKMNP-TV-Z]{26}$", description="Like M-….")]
AnyId = Annotated[str, Exact(), Field(pattern=r"^[DM]-[0-9A-HJKMNP-TV-Z]{26}$", description="M-… or D-….")]
CustomerId = Annotated[str, Exact(), Field(pattern=r"^C-[0-9A-Z]{6,12}$", description="Like C-000042.")]
Recipient = Annotated[
    str,
    Sensitive(PII, mask_recipient),
    Field(
        min_length=3,
        max_length=320,
        pattern=r"^(C-[0-9A-Z]{6,12}|[^\s@]+@[^\s@]+)$",
        description="A customer's id like C-000042, or an address.",
    ),
    OneLine,
]
Recipients = Annotated[list[Recipient], Field(max_length=RECIPIENTS_MAX)]
SenderName = Annotated[
    str,
    Exact(),
    Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$", description="Who it comes from, as list_senders names it."),
]
TemplateName = Annotated[
    str, Exact(), Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$", description="As list_templates has.")
]
Variables = Annotated[
    dict[Annotated[str, Field(pattern=NAME)], Given],
    Field(max_length=40, description="Values of the template's variables, as list_templates describes them."),
]
Subject = Annotated[str, Field(min_length=1, max_length=250), OneLine]
Text = Annotated[str, Field(min_length=1, max_length=100_000, description="Plain text."), Storable]
Html = Annotated[
    str, Field(min_length=1, max_length=200_000, description="HTML; what is unsafe is taken out."), Storable
]
DocumentUri = Annotated[str, Exact(), Field(pattern=r"^doc://\S{1,1000}$", description="Like doc://handbook/….")]
Address = Annotated[str, Sensitive(PII, mask_email)]
SomeUser = Annotated[str | None, Sensitive(PII, mask_email)]


class From(Answer):
    """Who a mail comes from."""

    name: Annotated[str, Exact()]
    shown: Annotated[str, Exact(), Field(description="As recipients see it.")]
    reply_to: Annotated[str | None, Exact()]


class Mailbox(Answer):
    """Somebody a mail goes to."""

    address: Address
    name: str | None = None
    customer_id: Annotated[str | None, Exact()] = None


class Skipped(Mailbox):
    """Somebody it does not go to."""

    reason: Annotated[str, Exact(), Field(description="bounced, unsubscribed or complained.")]


class AttachedFile(Answer):
    """A document that goes with a mail, as it was when it was read."""

    uri: Annotated[str, Exact()]
    name: str
    mime_type: Annotated[str, Exact()]
    size: int
    digest: Annotated[str, Exact()]
    confidential: bool


class Draft(Answer):
    """A mail that is being written."""

    id: Annotated[str, Exact()]
    version: int
    sender: Annotated[str, Exact()]
    to: list[Annotated[str, Sensitive(PII, mask_recipient)]]
    cc: list[Annotated[str, Sensitive(PII, mask_recipient)]]
    bcc: list[Annotated[str, Sensitive(PII, mask_recipient)]]
    subject: str | None
    text: str | None
    html: str | None
    template: Annotated[str | None, Exact()]
    variables: dict[str, Given]
    attachments: list[Annotated[str, Exact()]]
    mail_id: Annotated[str | None, Exact(), Field(description="It was sent as this mail, and stays as it is.")]
    created_by: SomeUser
    updated_at: datetime
