"""Mails are not kept for ever: `kept_days` after one ended, what it said and to whom is taken away.

What it was stays, for accounts and for those who ask about it: its id and Message-ID, sender, caller, approval,
template, times, attempts, and how many recipients got it or did not, with the relay's codes but not its words, which
repeat addresses. The draft it was and the list of its bulk go as well. A tenant's row in `mail.retention` is taken by
one replica at a time, for a batch at a time.
"""

from datetime import UTC, datetime
from uuid import uuid4

import anyio
import structlog
from sqlalchemy import text

from servers.mail.delivering.states import ENDED
from servers.mail.delivering.taking import NOBODY
from shared.core import metrics
from shared.core.background import Background
from shared.core.errors import Failure
from shared.core.settings import Settings
from shared.state.database import Statement

REMOVED = "removed.invalid"
"""The domain of recipients that were removed; nobody can have it (RFC 2606 §2)."""
BATCH = 200
_POLL_S = 60.0

_ENDED = ", ".join(f"'{state}'" for state in ENDED)
_BEFORE = "now() - make_interval(days => :kept_days)"

_TAKE = Statement(
    text("""
    UPDATE mail.retention AS r SET due_at = now() + interval '10 minutes'
    FROM (
        SELECT tenant_id FROM mail.retention
        WHERE due_at <= now() AND '*' <> ALL (CAST(:held AS text[])) AND tenant_id <> ALL (CAST(:held AS text[]))
        ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED
    ) AS due WHERE r.tenant_id = due.tenant_id RETURNING r.tenant_id
    """)
)
_FIND = Statement(
    text(f"""
    SELECT m.id FROM mail.mails AS m
    WHERE m.created_at >= (SELECT done_until FROM mail.retention WHERE tenant_id = current_setting('app.tenant'))
        AND m.created_at < {_BEFORE} AND m.updated_at < {_BEFORE} AND m.emptied_at IS NULL AND m.state IN ({_ENDED})
        AND NOT EXISTS (
            SELECT FROM mail.queue AS q WHERE q.tenant_id = current_setting('app.tenant') AND q.mail_id = m.id)
    ORDER BY m.created_at, m.id LIMIT :most
    """)  # noqa: S608 - constants
)
_EMPTY = Statement(
    text(f"""
    WITH mail AS (
        UPDATE mail.mails
        SET subject = '', text = '', html = NULL, mime = '', attachments = '[]', findings = '[]', last_text = NULL,
            emptied_at = now()
        WHERE id = ANY (CAST(:ids AS text[])) AND emptied_at IS NULL AND state IN ({_ENDED}) RETURNING id, draft_id
    ), everybody AS (
        UPDATE mail.recipients SET address = n || '@' || :removed, domain = :removed, name = NULL, customer_id = NULL,
            last_text = NULL
        WHERE mail_id IN (SELECT id FROM mail)
    ), tries AS (
        UPDATE mail.attempts SET text = NULL WHERE mail_id IN (SELECT id FROM mail)
    ), written AS (
        UPDATE mail.drafts AS d
        SET "to" = '{{}}', cc = '{{}}', bcc = '{{}}', subject = NULL, text = NULL, html = NULL, variables = '{{}}',
            attachments = '{{}}'
        FROM mail WHERE d.id = mail.draft_id AND d.mail_id = mail.id
    )
    SELECT id FROM mail
    """)  # noqa: S608 - states of ours
)
_EMPTY_BULK = Statement(
    text(f"""
    WITH bulk AS (
        UPDATE mail.bulks SET emptied_at = now() WHERE job_id IN (
            SELECT b.job_id FROM mail.bulks AS b
            WHERE b.emptied_at IS NULL AND b.created_at < {_BEFORE}
                AND NOT EXISTS (SELECT FROM suite.jobs AS j WHERE j.id = b.job_id AND j.finished_at IS NULL)
                AND NOT EXISTS (SELECT FROM mail.mails AS m WHERE m.job_id = b.job_id AND m.emptied_at IS NULL)
            LIMIT 1
        ) RETURNING job_id
    ), everybody AS (
        DELETE FROM mail.bulk_recipients WHERE job_id IN (SELECT job_id FROM bulk)
    )
    SELECT job_id FROM bulk
    """)  # noqa: S608 - constants
)
_AGAIN = Statement(
    text("UPDATE mail.retention SET due_at = now() WHERE tenant_id = current_setting('app.tenant') RETURNING tenant_id")
)
# What has not ended, or not long enough ago, is looked at again next time; nothing before it is.
_DONE = Statement(
    text(f"""
    UPDATE mail.retention AS r
    SET due_at = now() + interval '1 hour', done_until = coalesce((
        SELECT min(m.created_at) FROM mail.mails AS m
        WHERE m.created_at >= r.done_until AND m.created_at < {_BEFORE} AND m.emptied_at IS NULL
    ), greatest(r.done_until, {_BEFORE}))
    WHERE r.tenant_id = current_setting('app.tenant') RETURNING r.tenant_id
    """)  # noqa: S608 - constants
)

log = structlog.get_logger("mail")


async def empty(background: Background) -> None:
    """Until cancelled; an outage of the database or the audit is waited out."""
    while True:
        try:
            more = await empty_some(background)
        except Failure as failure:
            log.warning("old mails are not emptied", code=failure.code)
            more = False
        if not more:
            await anyio.sleep(_POLL_S)


async def empty_some(background: Background) -> bool:
    """One batch of one tenant; whether there was any tenant to look at.

    Raises:
        Failure: Nothing was taken away, and it is tried again within minutes.
    """
    settings: Settings = background.settings
    kept_days = settings.mail.kept_days
    async with background.database.transaction(NOBODY) as transaction:
        taken = await transaction.row(_TAKE, held=[*settings.audit_held])
    if taken is None:
        return False
    tenant: str = taken["tenant_id"]
    async with background.database.transaction(tenant) as transaction:
        ids = [row["id"] for row in await transaction.rows(_FIND, kept_days=kept_days, most=BATCH)]
    if ids:  # before: nothing goes without its record, and whoever goes on after us tells it once more
        await background.record([_record(tenant, ids, kept_days)])
    async with background.database.transaction(tenant) as transaction:
        emptied = await transaction.rows(_EMPTY, ids=ids, removed=REMOVED)
        bulk = await transaction.row(_EMPTY_BULK, kept_days=kept_days)
        if len(ids) == BATCH or bulk is not None:
            await transaction.rows(_AGAIN)
        else:
            await transaction.rows(_DONE, kept_days=kept_days)
    metrics.MAILS_EMPTIED.add(by=len(emptied))
    return True


def _record(tenant: str, ids: list[str], kept_days: int) -> dict[str, object]:
    return {
        "id": str(uuid4()),
        "at": datetime.now(UTC),
        "tenant": tenant,
        "target_kind": "mail",
        "outcome": "emptied",
        "target": ids[0],
        "facts": {"mails": len(ids), "last": ids[-1], "kept_days": kept_days},
    }
