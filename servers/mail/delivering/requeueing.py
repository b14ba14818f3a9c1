"""Dead letters, for operators: what did not go, and another chance for it."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import text

from shared.core.call import Queries
from shared.state.database import Statement

_DEAD = Statement(
    text("""
    SELECT m.id, m.state, m.reason, m.last_code, m.last_text, m.attempts, m.unknowns, m.created_at, m.updated_at,
        count(r.n) AS recipients, count(r.n) FILTER (WHERE r.state = 'sent') AS accepted
    FROM mail.mails AS m JOIN mail.recipients AS r ON r.mail_id = m.id
    WHERE m.emptied_at IS NULL
        AND (m.state IN ('failed', 'dead') OR (m.state = 'unknown' AND m.next_attempt_at IS NULL))
    GROUP BY m.tenant_id, m.id ORDER BY m.updated_at DESC LIMIT :most
    """)
)
_QUEUE = Statement(
    text("""
    SELECT state, count(*) AS mails, min(created_at) AS oldest, min(next_attempt_at) AS next
    FROM mail.mails WHERE state IN ('queued', 'sending', 'retrying', 'unknown') GROUP BY state ORDER BY state
    """)
)
_REQUEUE = Statement(
    text("""
    WITH again AS (
        UPDATE mail.mails SET state = CASE WHEN state = 'unknown' THEN 'unknown' ELSE 'retrying' END, reason = NULL,
            next_attempt_at = now(), updated_at = now()
        WHERE id = :id AND emptied_at IS NULL
            AND (state IN ('failed', 'dead') OR (state = 'unknown' AND next_attempt_at IS NULL))
        RETURNING id
    ), everybody AS (
        UPDATE mail.recipients SET state = 'waiting', updated_at = now()
        WHERE mail_id IN (SELECT id FROM again) AND state IN ('refused', 'given_up')
    ), noted AS (
        INSERT INTO mail.events (mail_id, kind, facts)
        SELECT id, 'requeued', jsonb_build_object('by', CAST(:by AS text)) FROM again
    )
    INSERT INTO mail.queue (tenant_id, mail_id, domain)
    SELECT current_setting('app.tenant'), id, (SELECT domain FROM mail.recipients WHERE mail_id = id ORDER BY n LIMIT 1)
    FROM again
    ON CONFLICT (tenant_id, mail_id) DO UPDATE SET task = 'send', due_at = now(), since = now(), lease = NULL
    RETURNING mail_id
    """)
)


async def dead_letters(reads: Queries, most: int) -> list[Mapping[str, Any]]:
    """Mails that will not go by themselves, the latest first: refused, given up, or held since nobody knows."""
    return await reads.rows(_DEAD, most=most)


async def waiting(reads: Queries) -> list[Mapping[str, Any]]:
    """How many mails wait, by state."""
    return await reads.rows(_QUEUE)


async def requeue(transaction: Queries, mail_id: str, by: str) -> bool:
    """Send it again, to those who did not get it; a new lifetime begins.

    Returns:
        False: it is not there, no dead letter, or so old that its content was removed.
    """
    return bool(await transaction.rows(_REQUEUE, id=mail_id, by=by))
