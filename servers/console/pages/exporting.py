"""What fits of the audit as a file, page by page as it is read: CSV for spreadsheets, JSONL as it was signed."""

import csv
import io
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import orjson

from servers.console.pages.audit import filters, moments
from shared.core.web import Shown, View, Visit

MOST = 20_000
"""Records in one file; who needs more narrows the time, or asks an operator for `mcp-suite audit query`."""

COLUMNS = (
    *("at", "kind", "tenant", "subject", "actor", "client", "issuer", "server", "target_kind", "target", "effect"),
    *("outcome", "duration_us", "request_id", "trace_id", "intent", "arguments", "id", "chain", "seq"),
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


async def as_csv(visit: Visit) -> Shown:
    pages = _pages(visit)
    return visit.download(_name("csv"), "text/csv; charset=utf-8", _csv(await anext(pages), pages))


async def as_jsonl(visit: Visit) -> Shown:
    pages = _pages(visit)
    return visit.download(_name("jsonl"), "application/jsonl", _jsonl(await anext(pages), pages))


def safe(value: Any) -> str:
    """The text of a cell that no spreadsheet takes for a formula: such a one begins with an apostrophe."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    return f"'{text}" if not isinstance(value, int) and text.lstrip(" ").startswith(_FORMULA) else text


async def _pages(visit: Visit) -> AsyncIterator[list[str]]:
    """Bodies page by page; each page is a call, and so has its record. The last line says if there would be more."""
    wanted, cursor, left = moments(filters(visit)), None, MOST
    while True:
        found = await visit.run("export_audit", **wanted, cursor=cursor)
        bodies, cursor = found["bodies"][:left], found["next_cursor"]
        left -= len(bodies)
        yield bodies
        if cursor is None:
            return
        if left <= 0:
            yield [orjson.dumps({"kind": "cut", "target": f"only the newest {MOST} records that fit"}).decode()]
            return


async def _csv(first: list[str], rest: AsyncIterator[list[str]]) -> AsyncIterator[bytes]:
    yield _rows([list(COLUMNS)])
    yield _rows(map(_cells, first))
    async for bodies in rest:
        yield _rows(map(_cells, bodies))


async def _jsonl(first: list[str], rest: AsyncIterator[list[str]]) -> AsyncIterator[bytes]:
    yield "".join(f"{body}\n" for body in first).encode()
    async for bodies in rest:
        yield "".join(f"{body}\n" for body in bodies).encode()


def _cells(body: str) -> list[str]:
    record = orjson.loads(body)
    return [safe(record.get(name)) for name in COLUMNS]


def _rows(rows: Any) -> bytes:
    written = io.StringIO()
    csv.writer(written).writerows(rows)
    return written.getvalue().encode()


def _name(kind: str) -> str:
    return f"audit-{datetime.now(UTC):%Y-%m-%dT%H%M}Z.{kind}"


views = (View("GET", "/audit/export.csv", as_csv), View("GET", "/audit/export.jsonl", as_jsonl))
