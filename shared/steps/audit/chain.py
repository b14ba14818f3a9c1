"""One process boot, one chain: `(chain, seq, prev_hash, hash)`.

`hash = HMAC-SHA-256(key, prev_hash ‖ body)` under a key the database does not hold. `body` is the record in
canonical JSON (sorted keys, UTF-8) and begins with the ids it names (`naming.py`); the other columns repeat parts of
it so that they can be indexed.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from asyncpg.pgproto import pgproto

from shared.state.keys import KeyRing
from shared.steps.audit.naming import EMPTY, named

ZERO = bytes(32)
"""`prev_hash` of a chain's first record."""

TEXTS = (
    "kind",
    "tenant",
    "subject",
    "issuer",
    "client",
    "actor",
    "server",
    "target_kind",
    "target",
    "effect",
    "outcome",
    "request_id",
    "trace_id",
    "client_address",
    "key_id",
)
COLUMNS = (
    *("chain", "seq", "id", "at", "intent", "duration_us"),
    *TEXTS,
    *("body", "prev_hash", "hash"),
)
"""Of `suite.audit`, in the order of `Row`."""

Row = tuple[Any, ...]

_uuid = pgproto.UUID
"""Reads a UUID eight times as fast as its base class, to which it is equal; a record has two or three."""


@dataclass(slots=True)
class Head:
    """The end of a chain: the sequence number and hash of its last record."""

    chain: UUID
    seq: int = -1
    hash: bytes = ZERO


def link(head: Head, record: dict[str, Any], ring: KeyRing) -> tuple[Row, Head]:
    """The row that appends `record` to the chain, and the chain's new head."""
    seq = head.seq + 1
    record = {**record, "about": "", "chain": str(head.chain), "seq": seq, "key_id": ring.mac_id}
    body = canonical(record)
    if ids := named(body):
        body = body.replace(EMPTY, b'"about":"%b"' % b" ".join(ids), 1)  # as if it had been there: no id needs escaping
    hashed = ring.mac(head.hash + body)
    return (*columns(record), body, head.hash, hashed), Head(head.chain, seq, hashed)


def canonical(record: dict[str, Any]) -> bytes:
    return orjson.dumps(record, option=orjson.OPT_SORT_KEYS)


def columns(record: dict[str, Any]) -> Row:
    """The indexed columns a record must have, in the order of `COLUMNS`; raises on a malformed record."""
    intent = record.get("intent")
    return (
        _uuid(record["chain"]),
        int(record["seq"]),
        _uuid(record["id"]),
        datetime.fromisoformat(record["at"]),
        _uuid(intent) if intent else None,
        record.get("duration_us"),
        *map(record.get, TEXTS),
    )
