"""The same searches asked in other ways, straight of PostgreSQL: what row-level security, the search function and its
bound cost, and what they save.
"""

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from math import nan
from pathlib import Path
from statistics import median
from typing import Any

from servers.documents.arguments import Search
from servers.documents.finding import find
from servers.documents.rights import rights
from servers.documents.search_words import wanted
from shared.core.caller import Caller
from shared.core.settings import Settings
from shared.core.tool import Call
from shared.state.cursors import SealedCursors
from shared.state.database import SET_CALLER, as_array, connect, open_database
from shared.state.keys import KeyRing
from shared.state.roles import Urls
from tests.bench.documents.library import TENANT
from tests.bench.documents.queries import queries
from tests.bench.machine import cpu_seconds

KINDS = ("rare", "two", "common", "phrase")
READER = Caller("bench", "bench", "bench", TENANT, Caller.granted("documents:restricted"), frozenset({"manager"}))

_TIMES, _SLOW_S = 9, 2.0
_RANKED = """
SELECT d.id, d.title FROM documents.documents AS d
WHERE d.words @@ to_tsquery('documents.words', $1) AND d.tenant_id = $2 AND d.archived_at IS NULL
    AND ARRAY['class:' || d.classification] <@ $3 AND d.readers && $3
ORDER BY ts_rank_cd(d.words, to_tsquery('documents.words', $1)) DESC LIMIT 8
"""
_ILIKE = """
SELECT d.id, d.title FROM documents.documents AS d
JOIN documents.versions AS v ON v.tenant_id = d.tenant_id AND v.document_id = d.id AND v.version = d.version
WHERE v.text ILIKE '%' || $1 || '%' AND d.tenant_id = $2 AND d.archived_at IS NULL
    AND ARRAY['class:' || d.classification] <@ $3 AND d.readers && $3
ORDER BY d.updated_at DESC LIMIT 8
"""

OURS = "as `search_documents` asks it, with snippets"
WORKED = "the same, the processor time of PostgreSQL alone"
OTHERS = (
    "the index by a superuser: no row-level security, no snippets, and all that fits is ranked",
    "the same under row-level security, without the search function",
    "`ILIKE` over the texts, by a superuser: the newest first, no ranking",
)


@dataclass(frozen=True)
class Peer:
    """One way to ask: ms by kind of search."""

    said: str
    took_ms: dict[str, float]


async def measure(urls: Urls, admin: Any, folder: Path) -> Sequence[Peer]:
    """Medians of several, but of what takes seconds, which is asked once."""
    app = await connect(urls.app, "bench")
    try:
        await app.execute(SET_CALLER.replace("true", "false"), TENANT, as_array(rights(READER)))
        asked: list[tuple[str, Callable[[str], Awaitable[Any]]]] = [
            (OTHERS[0], lambda typed: admin.fetch(_RANKED, wanted(typed).all, TENANT, rights(READER))),
            (OTHERS[1], lambda typed: app.fetch(_RANKED, wanted(typed).all, TENANT, rights(READER))),
            (OTHERS[2], lambda typed: admin.fetch(_ILIKE, typed.strip('"'), TENANT, rights(READER))),
        ]
        settings = Settings(data_dir=folder, pool_min=1, pool_max=1, statement_timeout_s=30)
        async with open_database(urls.app, settings) as database:
            reads = database.reads(TENANT, rights(READER))
            cursors = SealedCursors(KeyRing([b"k" * 32]), READER, "bench")

            async def ours(typed: str) -> Any:
                return await find(Call(READER, reads, cursors, "bench"), Search(query=typed))

            async with database.connection() as connection:
                backend = await connection.fetchval("SELECT pg_backend_pid()")  # the only one
            found = [
                await _peer(OURS, ours),
                Peer(WORKED, {kind: await _worked(ours, kind, backend) for kind in KINDS}),
            ]
            return [*found, *[await _peer(said, ask) for said, ask in asked]]
    finally:
        await app.close()


async def _peer(said: str, ask: Callable[[str], Awaitable[Any]]) -> Peer:
    return Peer(said, {kind: await _took(ask, queries()[kind]) for kind in KINDS})


async def _took(ask: Callable[[str], Awaitable[Any]], typed: str) -> float:
    took: list[float] = []
    while len(took) < _TIMES and (not took or took[-1] < _SLOW_S):
        began = time.perf_counter()
        await ask(typed)
        took.append(time.perf_counter() - began)
    return median(took) * 1000


async def _worked(ask: Callable[[str], Awaitable[Any]], kind: str, backend: int) -> float:
    """In ms, on average: whatever else the machine does, this is what a search costs; nan where nobody says."""
    before = cpu_seconds(backend)
    for _ in range(_TIMES):
        await ask(queries()[kind])
    after = cpu_seconds(backend)
    return (after - before) / _TIMES * 1000 if before is not None and after is not None else nan
