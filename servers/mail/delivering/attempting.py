"""An attempt on record: begun before the relay hears of the mail, ended with what the relay said.

Each is one statement that first asks for the row of the queue under our lease: where that is lost, nothing is written.
Cancelling takes the row the same way, so that of the two only one happens.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import text

from servers.mail.delivering.states import WAITING, RecipientState, State
from servers.mail.delivering.taking import LeaseLost, Taken
from shared.edge.outbound.smtp import Letter, Reply
from shared.state.database import Database, Statement

_WAITING = ", ".join(f"'{state}'" for state in WAITING)
_HELD = """
    UPDATE mail.queue SET {change} WHERE tenant_id = :tenant AND mail_id = :id AND lease = :lease RETURNING mail_id
"""

_BEGIN = Statement(
    text(f"""
    WITH held AS ({_HELD.format(change="due_at = greatest(due_at, now())")}), begun AS (
        UPDATE mail.mails AS m
        SET state = 'sending', attempts = m.attempts + 1, next_attempt_at = NULL, updated_at = now()
        FROM held WHERE m.id = held.mail_id AND m.state IN ({_WAITING})
        RETURNING m.id, m.attempts, m.envelope_from, m.mime, m.smtputf8
    ), noted AS (
        INSERT INTO mail.attempts (mail_id, attempt, worker) SELECT id, attempts, :worker FROM begun
    )
    SELECT begun.*, ARRAY(
        SELECT address FROM mail.recipients WHERE mail_id = :id AND state = 'waiting' ORDER BY n
    ) AS recipients FROM begun
    """)  # noqa: S608 - states of ours
)
_LOOK = Statement(
    text(f"""
    WITH held AS ({_HELD.format(change="due_at = due_at")})
    SELECT m.state, m.attempts FROM mail.mails AS m JOIN held ON m.id = held.mail_id
    """)  # noqa: S608 - constants
)
_END = Statement(
    text(f"""
    WITH held AS ({_HELD.format(change="task = 'record'")}), mail AS (
        UPDATE mail.mails AS m
        SET state = :state, unknowns = m.unknowns + :unknowns, reason = :reason, last_code = :code, last_text = :said,
            sent_at = CASE WHEN :state = 'sent' THEN now() END, updated_at = now(),
            next_attempt_at = now() + make_interval(secs => CAST(:after_s AS float8))
        FROM held WHERE m.id = held.mail_id RETURNING m.id, m.attempts
    ), attempt AS (
        UPDATE mail.attempts AS a
        SET ended_at = clock_timestamp(), outcome = :outcome, code = :code, text = :said, accepted = :accepted,
            refused = :refused
        FROM mail WHERE a.mail_id = mail.id AND a.attempt = mail.attempts AND a.outcome = 'sending'
    ), each AS (
        UPDATE mail.recipients AS r SET state = given.state, last_code = given.code, last_text = given.said,
            updated_at = now()
        FROM mail, unnest(CAST(:addresses AS text[]), CAST(:states AS text[]), CAST(:codes AS integer[]),
            CAST(:texts AS text[])) AS given (address, state, code, said)
        WHERE r.mail_id = mail.id AND r.address = given.address AND r.state = 'waiting'
    ), bounced AS (
        INSERT INTO mail.suppressions (address, reason, mail_id, code, said)
        SELECT given.address, 'bounced', mail.id, given.code, given.said
        FROM mail, unnest(CAST(:bounced AS text[]), CAST(:bounced_codes AS integer[]), CAST(:bounced_texts AS text[]))
            AS given (address, code, said)
        WHERE given.address = lower(given.address)
        ON CONFLICT DO NOTHING
    ), noted AS (
        INSERT INTO mail.events (mail_id, kind, facts) SELECT id, :kind, CAST(:facts AS jsonb) FROM mail
    )
    SELECT id FROM mail
    """)  # noqa: S608 - constants
)


@dataclass(frozen=True, slots=True)
class Begun:
    """An attempt that is on record as under way."""

    attempt: int
    letter: Letter


@dataclass(frozen=True, slots=True)
class Ended:
    """What is written of an attempt's end.

    Attributes:
        kind: What the audit calls it.
        outcome: Of the attempt's row.
        after_s: When it goes again; None: not by itself.
        settled: What became of each recipient that does not wait any more, or was told something.
        bounced: What goes on the suppression list, as it is spelled there, and the relay's answer for it.
    """

    state: State
    kind: str
    outcome: str
    after_s: float | None = None
    reason: str | None = None
    reply: Reply | None = None
    unknowns: int = 0
    settled: Mapping[str, tuple[RecipientState, Reply | None]] = field(
        default_factory=dict[str, tuple[RecipientState, Reply | None]]
    )
    facts: Mapping[str, Any] = field(default_factory=dict[str, Any])
    bounced: Mapping[str, Reply] = field(default_factory=dict[str, Reply])


async def begin(database: Database, taken: Taken, worker: str) -> Begun | None:
    """Put on record that it is about to be handed over; None if it is not waiting (see `look`).

    Raises:
        LeaseLost: It is not ours.
    """
    async with database.transaction(taken.tenant) as transaction:
        row = await transaction.row(_BEGIN, **taken.row, worker=worker)
    if row is None:
        return None
    letter = Letter(row["envelope_from"], tuple(row["recipients"]), row["mime"], row["smtputf8"])
    return Begun(row["attempts"], letter)


async def look(database: Database, taken: Taken) -> tuple[State, int]:
    """The mail's state, and how often it was tried.

    Raises:
        LeaseLost: It is not ours.
    """
    async with database.transaction(taken.tenant) as transaction:
        row = await transaction.row(_LOOK, **taken.row)
    if row is None:
        raise LeaseLost
    return row["state"], row["attempts"]


async def end(database: Database, taken: Taken, ended: Ended) -> None:
    """Put on record how it ended; then it is for the audit to be told (`recording.py`), before anything else.

    Raises:
        LeaseLost: Nothing was written.
    """
    each: Sequence[tuple[str, RecipientState, Reply | None]] = [(who, *what) for who, what in ended.settled.items()]
    bounced = sorted(ended.bounced.items(), key=lambda one: one[0])  # in one order, or two would wait for each other
    async with database.transaction(taken.tenant) as transaction:
        row = await transaction.row(
            _END,
            **taken.row,
            after_s=ended.after_s,
            state=ended.state,
            unknowns=ended.unknowns,
            reason=ended.reason,
            code=ended.reply.code if ended.reply else None,
            said=ended.reply.text if ended.reply else None,
            outcome=ended.outcome,
            accepted=sum(state == "sent" for _, state, _ in each),
            refused=sum(state == "refused" for _, state, _ in each),
            addresses=[who for who, *_ in each],
            states=[state for _, state, _ in each],
            codes=[reply.code if reply else None for *_, reply in each],
            texts=[reply.text if reply else None for *_, reply in each],
            bounced=[key for key, _ in bounced],
            bounced_codes=[reply.code for _, reply in bounced],
            bounced_texts=[reply.text for _, reply in bounced],
            kind=ended.kind,
            facts=dict(ended.facts),
        )
    if row is None:
        raise LeaseLost
    taken.task = "record"
