"""What happened to a mail, told to the audit: at least once, and at most once too.

An event is committed with what it tells of, under an id of its own, and is gone once the audit has a record of that
id. Whoever takes over from a worker that died in between asks the audit before it tells it again.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import text

from servers.mail.delivering.taking import LeaseLost, Taken
from servers.mail.safety.addresses import checked_address
from shared.core.background import Background
from shared.core.errors import Invalid
from shared.state.database import Statement

_EVENTS = Statement(
    text("""
    SELECT e.id, e.at, e.kind, e.facts, m.created_by, m.issuer, m.client, m.actors, m.approval_id,
        m.request_id, ARRAY(SELECT address FROM mail.recipients WHERE mail_id = m.id ORDER BY n) AS addresses
    FROM mail.events AS e JOIN mail.mails AS m ON m.id = e.mail_id
    WHERE e.mail_id = :id ORDER BY e.n
    """)
)
_NEXT = Statement(
    text("""
    WITH told AS (DELETE FROM mail.events WHERE id = ANY (CAST(:told AS uuid[]))), ended AS (
        DELETE FROM mail.queue AS q USING mail.mails AS m
        WHERE q.tenant_id = :tenant AND q.mail_id = :id AND q.lease = :lease
            AND m.id = q.mail_id AND m.state IN ('sent', 'failed', 'dead', 'cancelled')
        RETURNING q.mail_id
    ), waits AS (
        UPDATE mail.queue AS q SET task = 'send', lease = NULL, due_at = coalesce(m.next_attempt_at, 'infinity')
        FROM mail.mails AS m
        WHERE q.tenant_id = :tenant AND q.mail_id = :id AND q.lease = :lease
            AND m.id = q.mail_id AND m.state IN ('queued', 'retrying', 'unknown')
        RETURNING q.mail_id
    )
    SELECT mail_id FROM ended UNION ALL SELECT mail_id FROM waits
    """)
)


async def tell(background: Background, taken: Taken) -> None:
    """Tell the audit what it does not know of the mail, then let go of it: for good, or until it is due again.

    Raises:
        Unavailable: The audit cannot take records; nothing is forgotten.
        LeaseLost: Somebody else goes on with it; the records stand.
    """
    async with background.database.transaction(taken.tenant) as transaction:
        events = await transaction.rows(_EVENTS, id=taken.mail_id)
    digests = _digests(background, taken.tenant, events[0]["addresses"]) if events else []
    await background.record([_record(taken, event, digests) for event in events])
    async with background.database.transaction(taken.tenant) as transaction:
        if await transaction.row(_NEXT, **taken.row, told=[event["id"] for event in events]) is None:
            raise LeaseLost
    if events:
        await background.changed(taken.tenant, [f"mail://{taken.mail_id}"])


def spelled(address: str) -> str:
    """An address as digests have it: two spellings of one mailbox are one."""
    try:
        return checked_address(address).key
    except Invalid:  # it is on record all the same
        return address.casefold()


def _digests(background: Background, tenant: str, addresses: Sequence[str]) -> list[str]:
    return [background.digest(tenant, spelled(address)) for address in addresses]


def _record(taken: Taken, event: Mapping[str, Any], digests: Sequence[str]) -> dict[str, Any]:
    """One record: whose mail, what happened; recipients as digests, by which an auditor who has the key finds one."""
    told = {"approval_id": event["approval_id"], "recipients": len(digests), "recipients_digests": [*digests]}
    return {
        "id": str(event["id"]),
        "at": event["at"],
        "tenant": taken.tenant,
        "subject": event["created_by"],
        "issuer": event["issuer"],
        "client": event["client"],
        "actors": list(event["actors"]),
        "request_id": event["request_id"],
        "target_kind": "mail",
        "target": taken.mail_id,
        "outcome": event["kind"],
        "facts": {**told, **event["facts"]},
    }
