"""What administrators set up by tools: templates, and who gets no more mail."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from servers.mail import queries
from servers.mail.answers import TemplateShown
from servers.mail.delivering import reading
from servers.mail.delivering.emptying import REMOVED
from servers.mail.models import PII, MailId, Subject, TemplateName
from servers.mail.safety.addresses import checked_address
from servers.mail.templating.finding import shown
from servers.mail.templating.language import SOURCE_MAX
from servers.mail.templating.library import shipped
from servers.mail.templating.template import Template
from servers.mail.templating.variables import NAME, Variable
from servers.mail.tools import tools
from shared.core.errors import Conflict, Failure, Invalid, NotFound
from shared.core.fields import OneLine
from shared.core.tool import Answer, Call, Risk, WriteArguments
from shared.steps.redaction import Exact, Sensitive, mask_email

Reason = Literal["bounced", "unsubscribed", "complained"]
_Source = Annotated[str, Field(min_length=1, max_length=SOURCE_MAX, description="In the small part of Jinja2 allowed.")]


class SaveTemplate(WriteArguments):
    """A template, whole."""

    name: TemplateName
    version: Annotated[int | None, Field(ge=1, description="The version you have read; absent: it is new.")] = None
    title: Annotated[str, Field(min_length=1, max_length=200), OneLine]
    description: Annotated[str, Field(min_length=1, max_length=500)]
    subject: Subject
    text: _Source
    html: _Source | None = None
    variables: Annotated[dict[Annotated[str, Field(pattern=NAME)], Variable], Field(max_length=40)]


class SuppressRecipient(WriteArguments):
    """Who gets no more mail: an address, or everybody a mail went to."""

    address: Annotated[str | None, Sensitive(PII, mask_email), Field(max_length=320), OneLine] = None
    mail_id: Annotated[MailId | None, Field(description="As unsubscribe links have it.")] = None
    reason: Reason

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.address is None) == (self.mail_id is None):
            raise ValueError("give address or mail_id, and not both")
        return self


class UnsuppressRecipient(WriteArguments):
    """Who may get mail again."""

    address: Annotated[str, Sensitive(PII, mask_email), Field(max_length=320), OneLine]
    reason: Annotated[Reason, Field(description="Why it is on the list, as `skipped` told.")]


class Unsuppressed(Answer):
    """Who may get mail again, and why nothing went there."""

    address: Annotated[str, Sensitive(PII, mask_email)]
    reason: Annotated[str, Exact()]
    since: datetime
    mail_id: Annotated[str | None, Exact(), Field(description="The mail that put it there, if one did.")]


class Suppressed(Answer):
    """Who gets no more mail."""

    addresses: list[Annotated[str, Sensitive(PII, mask_email)]]
    reason: Annotated[str, Exact()]


@tools.write("mail:admin", risk=Risk.MEDIUM)
async def save_template(call: Call, query: SaveTemplate) -> TemplateShown:
    """Make a template, or replace one: pass the version you have read. What waits for an approval and rests on the old
    one is void then. Templates show variables, filter them (upper, lower, title, capitalize, trim, length), have if and
    else, and loop over one variable of type list; nothing else.
    """
    row = await call.transaction.row(queries.TEMPLATE_LOCKED, name=query.name)
    there = row["version"] if row else (shipped()[query.name].version if query.name in shipped() else None)
    if there != query.version:
        raise Conflict(
            f"The template {query.name} is at version {there}, not {query.version}. Read it with list_templates, then "
            "repeat it with that version if it is still wanted.",
            current_version=there,
        )
    fields = query.model_dump(exclude={"idempotency_key", "dry_run", "version"})
    try:
        made = Template.model_validate({**fields, "version": (there or 0) + 1})
    except ValidationError as error:
        problems = [str(one["msg"]).removeprefix("Value error, ") for one in error.errors()]
        raise Invalid(f"That is no template: {' '.join(problems)}", problems=problems) from None
    stored: dict[str, Any] = {**made.model_dump(mode="json"), "created_by": call.caller.subject}
    await call.transaction.rows(queries.SAVE_TEMPLATE, **{f"new_{name}": value for name, value in stored.items()})
    return shown(made)


@tools.write("mail:admin", risk=Risk.LOW, inverse="unsuppress_recipient")
async def suppress_recipient(call: Call, query: SuppressRecipient) -> Suppressed:
    """Put an address on the suppression list, or whoever got a mail, by its id, as unsubscribe links have it: nothing
    more goes there. One that is on it already stays as it is.
    """
    if query.address is not None:
        keys = [checked_address(query.address).key]
    else:
        rows = await reading.recipients_of(call.transaction, [query.mail_id or ""])
        keys = sorted({checked_address(row["address"]).key for row in rows if row["domain"] != REMOVED})
    if not keys:
        raise NotFound(
            f"There is no mail {query.mail_id}, or it is so old that its recipients were removed. Find it with "
            "list_emails, or give the address."
        )
    await call.transaction.rows(queries.SUPPRESS, addresses=keys, new_reason=query.reason, new_mail_id=query.mail_id)
    return Suppressed(addresses=keys, reason=query.reason)


@tools.write("mail:admin", risk=Risk.MEDIUM)
async def unsuppress_recipient(call: Call, query: UnsuppressRecipient) -> Unsuppressed:
    """Take an address off the suppression list, so that mail goes there again: one that bounced once it is put right,
    one that unsubscribed or complained only if its owner asked for it. Name the reason it is there for; with another
    one nothing is changed. Mails that were refused are not sent again by this.
    """
    key = checked_address(query.address).key
    row = await call.transaction.row(queries.UNSUPPRESS, address=key, for_reason=query.reason)
    if row is None:
        raise await _still_there(call, key, query.reason)
    return Unsuppressed(address=key, reason=row["reason"], since=row["created_at"], mail_id=row["mail_id"])


async def _still_there(call: Call, key: str, reason: str) -> Failure:
    row = await call.transaction.row(queries.SUPPRESSED, addresses=[key])
    if row is None:
        return NotFound("That address is not on the suppression list: mail goes there already.")
    return Conflict(
        f"It is on the list for another reason: {row['reason']}, and not {reason}. Look whether mail may go there all "
        "the same, then repeat it with that reason.",
        reason=row["reason"],
    )
