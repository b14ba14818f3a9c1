"""Drafts: mails that are being written, by anybody of the tenant who may, one version after the other."""

from collections.abc import Mapping
from typing import Any

from servers.mail import queries
from servers.mail.answers import Drafted
from servers.mail.arguments import DraftEmail, UpdateDraft
from servers.mail.content import draft_at
from servers.mail.ids import new_id
from servers.mail.models import RECIPIENTS_MAX, Draft
from servers.mail.queries import FIELDS
from servers.mail.senders import sender_of
from servers.mail.templating.finding import template_of
from servers.mail.tools import tools
from shared.core.errors import Invalid
from shared.core.tool import Call, Risk


@tools.write("mail:write", risk=Risk.LOW, inverse="update_draft")
async def draft_email(call: Call, query: DraftEmail) -> Drafted:
    """Begin a mail and get its id and version; nothing is sent. Write subject and text, or name a template and its
    variables. Recipients are customers' ids or addresses; with ids you need no address. Look at it with preview_email,
    then send_email, or let a person send it.
    """
    fields = query.model_dump(include={*FIELDS})
    await _require(call, fields)
    row = await call.transaction.row(
        queries.NEW_DRAFT,
        **{f"new_{name}": fields[name] for name in FIELDS},
        new_id=new_id("D"),
        new_created_by=call.caller.subject,
        new_by_actor=call.caller.actor,
    )
    return Drafted(draft=draft(row or {}))


@tools.write("mail:write", risk=Risk.LOW, inverse="update_draft")
async def update_draft(call: Call, query: UpdateDraft) -> Drafted:
    """Change fields of a draft; what you leave out stays, null clears, lists are replaced, variables are merged. Pass
    the version you have read: if somebody changed it since, you get a conflict and should read mail://{id} again.
    """
    row = await draft_at(call.transaction, query.draft_id, query.version, lock=True)
    wished = query.changes.model_dump(exclude_unset=True)
    if "variables" in wished:
        merged = {**row["variables"], **wished["variables"]}
        wished["variables"] = {name: value for name, value in merged.items() if value is not None}
    fields = {name: wished.get(name, row[name]) for name in FIELDS}
    if all(fields[name] == row[name] for name in FIELDS):
        return Drafted(draft=draft(row))
    await _require(call, fields)
    changed = await call.transaction.row(
        queries.UPDATE_DRAFT, by_id=query.draft_id, **{f"new_{name}": fields[name] for name in FIELDS}
    )
    call.changed(f"mail://{query.draft_id}")
    return Drafted(draft=draft(changed or {}))


async def _require(call: Call, fields: Mapping[str, Any]) -> None:
    """What it names is there; whether the rest of it will do is for whoever sends it."""
    await sender_of(call.transaction, fields["sender"])
    if fields["template"] is not None:
        await template_of(call.transaction, fields["template"])
    if sum(len(fields[place]) for place in ("to", "cc", "bcc")) > RECIPIENTS_MAX:
        raise Invalid(f"A mail goes to {RECIPIENTS_MAX} at most; for more there is send_bulk_email.")


def draft(row: Mapping[str, Any]) -> Draft:
    return Draft.model_validate({name: row[name] for name in Draft.model_fields})
