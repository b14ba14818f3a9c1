"""Signed statements of what was removed from the beginning of a chain: the rest verifies from there on.

A statement is one JSON object: `kind` ("pruned"), `at`, `by` and `why` of the removal; `chain`; `seq` and `hash` (hex)
of the last record that was removed; `since` and `until`, the oldest and newest time of it; `ended`, whether that was
the whole chain; `previous`, the head that the chain's first record named; `key_id`; and `signature`: base64 of Ed25519
(RFC 8032) over the canonical JSON (`chain.py`) of the others. `kind` keeps them apart from checkpoints, which the same
key signs.

`suite.audit_pruned` has one for each chain, and keeps it when nothing else is left of the chain.
"""

import base64
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson

from shared.state.keys import CannotOpen, KeyRing
from shared.steps.audit.chain import Head, canonical
from shared.steps.audit.checkpoints import NotOurs

_KIND = "pruned"
_THERE = "SELECT to_regclass('suite.audit_pruned') IS NOT NULL"
_ALL = "SELECT chain, seq, until, statement FROM suite.audit_pruned WHERE $1::uuid IS NULL OR chain = $1"
_UNTIL = "SELECT max(until) FROM suite.audit_pruned"


@dataclass(frozen=True)
class Pruned:
    """What was removed of one chain, all of it from number 0 on.

    Attributes:
        chain: Which.
        seq: Of the last record that was removed.
        hash: Its hash, in hexadecimal.
        since: The oldest time in it, ISO 8601.
        until: The newest.
        ended: Whether nothing was left.
        previous: The head that the first record of the chain named: `chain`, `seq`, `hash`; None if it named none.
        at: When the newest part of it was removed.
        by: Who did.
        why: As they said.
        key_id: Of the key that signed it.
    """

    chain: str
    seq: int
    hash: str
    since: str
    until: str
    ended: bool
    previous: Mapping[str, Any] | None
    at: str
    by: str
    why: str
    key_id: str = ""


@dataclass(frozen=True)
class Statements:
    """The genuine ones, by chain, and what is wrong with the others: place and words."""

    genuine: Mapping[UUID, Pruned] = field(default_factory=dict[UUID, Pruned])
    spoilt: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])

    def head(self, chain: UUID) -> Head:
        """Where what is left of a chain has to go on."""
        found = self.genuine.get(chain)
        return Head(chain, found.seq, bytes.fromhex(found.hash)) if found else Head(chain)

    def cover(self, chain: str, seq: int, hashed: str | None) -> bool:
        """Whether a record that is named elsewhere, with its hash, may be gone."""
        try:
            found = self.genuine.get(UUID(chain))
        except ValueError:
            return False
        return found is not None and (seq < found.seq or (seq == found.seq and hashed == found.hash))


def signed(pruned: Pruned, ring: KeyRing) -> str:
    """The statement, under the first key of the audit's ring."""
    said = {**asdict(pruned), "kind": _KIND, "key_id": ring.mac_id}
    signature = base64.b64encode(ring.sign(canonical(said))).decode()
    return orjson.dumps({**said, "signature": signature}, option=orjson.OPT_SORT_KEYS).decode()


def opened(row: Mapping[str, Any], ring: KeyRing) -> Pruned:
    """What a row of `suite.audit_pruned` states.

    Raises:
        NotOurs: No key of the ring signed it, or its columns say something else.
    """
    try:
        said = orjson.loads(row["statement"])
        signature = base64.b64decode(said.pop("signature"), validate=True)
        genuine = said.pop("kind") == _KIND and ring.signed(
            canonical({**said, "kind": _KIND}), signature, said["key_id"]
        )
        pruned = Pruned(**said)
        until = datetime.fromisoformat(pruned.until)
    except CannotOpen:
        raise NotOurs("key_id: not a key of the ring") from None
    except (AttributeError, KeyError, TypeError, ValueError):
        raise NotOurs("it is not a statement of what was pruned") from None
    if not genuine:
        raise NotOurs("signature: it was changed, or made by somebody else")
    for name, value in (("chain", UUID(pruned.chain)), ("seq", pruned.seq), ("until", until)):
        if row[name] != value:
            raise NotOurs(f"{name}: the column differs from the signed statement")
    return pruned


async def statements(connection: Any, ring: KeyRing, chain: UUID | None = None) -> Statements:
    """All there are, or of one chain, over a connection of the reader role; none where the table is not there yet."""
    genuine: dict[UUID, Pruned] = {}
    spoilt: list[tuple[str, str]] = []
    for row in await connection.fetch(_ALL, chain) if await connection.fetchval(_THERE) else ():
        try:
            genuine[row["chain"]] = opened(row, ring)
        except NotOurs as problem:
            spoilt.append((f"{row['chain']}/{row['seq']}", f"statement of what was pruned: {problem}"))
    return Statements(genuine, spoilt)


async def reaches_before(connection: Any, since: datetime | None) -> datetime | None:
    """The newest time of anything that was pruned, if whoever asks for records since then could miss some of them."""
    until: datetime | None = await connection.fetchval(_UNTIL) if await connection.fetchval(_THERE) else None
    if until is None or since is None:
        return until
    return until if (since if since.tzinfo else since.replace(tzinfo=UTC)) <= until else None
