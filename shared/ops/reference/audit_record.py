"""`docs/audit-record.md`: what a record of the audit holds, and what each word of it means."""

from collections.abc import Iterator, Mapping

from shared.ops.reference.table import NOTE, cell, code, table
from shared.steps.audit.chain import COLUMNS

KINDS = {
    "call": "a read, a list, or a write that was refused before it began",
    "intent": "a write is about to start: durable before its transaction does",
    "outcome": "how that write ended; `intent` names it",
    "recovered": "the outcome of a write whose process died, as the next one found it",
    "work": "a part of a job that works in the background",
    "refusals": "what was refused before a caller was known, counted by source and reason, once a minute",
    "switch": "something was stopped, or let go on",
    "session": "sessions were ended from the command line",
    "prune": "old records were about to be removed: `before` when, of which `chains` up to which number, `why`",
    "identity": "what the mock identity provider saw",
    "chain": "the first record of a process: its host, its version, and the head of the chain before it",
    "spool": "a line of the local spool that was damaged while the store was away",
}
"""Every `kind`."""

ALWAYS = {
    "v": "version of the record's form",
    "id": "of the record",
    "at": "UTC, microseconds, ISO 8601",
    "kind": "see above",
    "intent": "the id of a write's intent, in both of its records",
    "server": "whose tool it is",
    "target_kind": "`tool`, `resource`, `prompt`, `list`, `session`, `subscription`, `task` and so on",
    "target": "name of the tool, or URI; masked like an argument",
    "agent": "what the client calls itself; masked like an argument",
    "effect": "`read` or `write`",
    "era": "which era of MCP the client speaks",
    "transport": "`http`, `stdio`; `worker` and `command` for what no client began",
    "request_id": "the `reference` that errors and logs repeat",
    "trace_id": "of the W3C trace, if there is one",
    "client_address": "whence, as far as balancers that are trusted say",
    "arguments": "as they were given, with what is sensitive masked",
    "arguments_redacted": "which of them were masked",
    "tenant": "whose data, from the verified token",
    "subject": "who: `sub`",
    "issuer": "who vouches for them: `iss`",
    "client": "which program: `client_id`",
    "actor": "who acts for them: the outermost `act`",
    "actors": "the whole chain of `act`, outermost first",
    "trust": "`person`, `service`, `delegated` or `hybrid`",
    "token_id": "`jti`, or a digest of the token",
    "scopes": "of the token, with what they include",
    "roles": "of the token",
}
"""What every record of a call holds."""

ENDED = {
    "outcome": "`ok`, a code of [errors](errors.md), or a word of its [last tables](errors.md#what-operators-find)",
    "duration_us": "from the first step to the last, in microseconds",
}
"""What a record holds besides, once a call has ended."""

FACTS = {
    "decision": "what policy said: `allow`, `confirm`, `approve`, `step_up`, `deny`",
    "policies": "the statements that decided",
    "policy_version": "of all policies of the server, by which it was decided",
    "reason": "what they say why",
    "seen": "labels of what the caller was given lately, where they counted",
    "labels": "labels that this answer added to what the caller was given",
    "redacted": "fields of the answer that were masked",
    "replayed": "whether the answer came from the ledger",
    "approval": "what people were asked to approve",
    "approvers": "who approved it",
    "edited": "fields that they changed before",
    "answers": "what the caller's own user said: `accept`, `decline`, `cancel`, `other`",
    "acted_at": "other servers that were called in the caller's name",
    "session": "a digest of the session's id",
    "ended": "why a stream or a session ended",
    "followed": "how many resources a subscription follows",
    "delivered": "how many changes it told",
    "unchanged": "a resource was not sent again, since the client has it",
    "attempted": "what an `unaudited` call came to",
}
"""What is known of some calls only; work, switches and commands add words of their own."""

SEALED = {
    "about": "the ids that the record names, wherever in it: what a search for who touched one of them finds it by",
    "chain": "one a process: the id of its chain",
    "seq": "number in its chain, from 0, without gaps",
    "key_id": "which key made the hash",
}
"""What the writer adds when it appends the record."""

_COLUMNS = {
    "body": "the record in canonical JSON: sorted keys, UTF-8; what the hash is over",
    "prev_hash": "`hash` of the record before; zeros for the first",
    "hash": "HMAC-SHA-256 of `prev_hash` and `body`, under a key that the database does not hold",
}


def page() -> Iterator[str]:
    yield f"# Audit record\n\n{NOTE}"
    yield (
        "One record a call, two for a write, durable before the answer leaves. `mcp-suite audit query` prints\n"
        "records; `mcp-suite audit verify` recomputes their chains; the [console](console.md) shows and exports them.\n"
    )
    yield "## Kinds\n"
    yield from table(("kind", "of what"), ((code(kind), cell(what)) for kind, what in KINDS.items()))
    yield "## Every record of a call\n"
    yield from _fields({**ALWAYS, **ENDED})
    yield "`outcome` and `duration_us` are not yet in an `intent`.\n"
    yield "## Some records\n"
    yield from _fields(FACTS)
    yield "## The chain\n"
    yield from _fields(SEALED)
    known = {**ALWAYS, **ENDED, **SEALED, **_COLUMNS}
    yield (
        "The table `suite.audit` has these columns; all but the last three repeat parts of `body`, so that they can\n"
        "be searched, and `audit verify` compares them:\n"
    )
    yield from _fields({column: known[column] for column in COLUMNS})


def _fields(fields: Mapping[str, str]) -> Iterator[str]:
    yield from table(("field", "meaning"), ((code(name), cell(meaning)) for name, meaning in fields.items()))
