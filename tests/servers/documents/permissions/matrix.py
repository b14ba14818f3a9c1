"""Asks every cell, and tells of those that are not as they must be."""

import json
import re
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import anyio

from tests.harness import Suite
from tests.servers.documents.permissions.canaries import CANARY, MISSING, Document, World
from tests.servers.documents.permissions.operations import Cell, Operation
from tests.servers.documents.permissions.oracle import OTHER_ISSUER, Who
from tests.servers.documents.permissions.wire import CONNECTIONS, Said, Wire, wired

NOT_THERE = -32602
_NO_ID = "D-0000000000"
_REFERENCE = re.compile(r"req_[0-9a-f]{16}")
_LEFT = re.compile(r'"enterprise-mcp-suite/left":\{[^}]*\},?')
_NO_VERSION = 7


def trusting(url: str) -> dict[str, Any]:
    """What the settings say of issuers: the suite's own, and another one that vouches for the same tenants."""
    shared = {"shares_tenants": True, "tenants": {"acme": "acme", "globex": "globex"}}
    keys = f"{url}/idp/jwks.json"
    return {"own": {"url": f"{url}/idp", **shared}, "other": {"url": OTHER_ISSUER, "jwks_url": keys, **shared}}


@dataclass
class Matrix:
    """One run over some documents.

    Attributes:
        problems: One line for each cell that is wrong.
        cells: How many were asked.
    """

    suite: Suite
    world: World
    wire: Wire
    problems: list[str] = field(default_factory=list[str])
    cells: int = 0
    tokens: dict[str, str] = field(default_factory=dict[str, str])
    ordered: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])
    missing: dict[tuple[str, str, bool], tuple[int, str]] = field(default_factory=dict[Any, Any])

    def token(self, who: Who) -> str:
        """A token of the caller; one for all their calls."""
        if who.key not in self.tokens:
            claims = who.wire_claims()
            claims["sub"] = claims["sub"].replace("@OWN", f"@{self.suite.provider.issuer}")
            claims["roles"] = [role.replace("@OWN", f"@{self.suite.provider.issuer}") for role in claims["roles"]]
            scopes = [f"documents:{verb}" for verb in who.verbs] or ["customers:read"]
            self.tokens[who.key] = self.suite.token(who.persona, "documents", scopes=scopes, **claims)
        return self.tokens[who.key]

    async def ask(self, who: Who, method: str, params: dict[str, Any], *also: str) -> Said:
        """One request; that its answer has no word of what is hidden is a cell by itself."""
        said = await self.wire.ask(self.token(who), method, params)
        self.look(who, f"{method} {json.dumps(params)[:120]}", said, {*CANARY.findall(json.dumps(params)), *also})
        return said

    def look(self, who: Who, asked: str, said: Said, known: Iterable[str]) -> None:
        self.cells += 1
        leaked = {*CANARY.findall(said.head + said.text)} - {*known} - self.world.words_for(who)
        if leaked:
            self.problems.append(f"{who.key}: {asked} leaks {sorted(leaked)}")

    def order(self, who: Who, uris: Sequence[str]) -> None:
        """Two documents are in the same order for everybody, whatever else there is."""
        for one, other in combinations(uris, 2):
            self.check(f"{who.key}: {other} comes before {one} for others", holds=(other, one) not in self.ordered)
            self.ordered.add((one, other))

    def check(self, told: str, *, holds: bool) -> None:
        self.cells += 1
        if not holds:
            self.problems.append(told)

    async def cell(self, operation: Operation, who: Who, document: Document) -> None:
        """One operation of one caller on one document."""
        also = [operation.also(document)] if operation.also and document.shown_to(who) else []
        params = operation.params(document)
        said = await self.ask(who, operation.method, params, *also)
        told = f"{who.key}: {operation.name}: {document.number} {document.kind}: {said.status} {said.text[:300]}"
        if operation.verb not in who.may_hold:
            self.check(told, holds=said.body.get("error", {}).get("code") == NOT_THERE)
        elif operation.verb not in who.granted:
            self.check(told, holds=said.status == 403 and f"documents:{operation.verb}" in said.text)
        elif operation.shown(document, who):
            self.check(told, holds=_fits(operation, Cell(self.world, who, document), said))
        else:
            missing = await self._missing(operation, who, document)
            self.check(f"{told} is not as of a missing one: {missing}", holds=_plain(said, document) == missing)

    async def _missing(self, operation: Operation, who: Who, document: Document) -> tuple[int, str]:
        """What is said of a document, or of a version of it, that was never there."""
        text = json.dumps(operation.params(document))
        if document.shown_to(who):  # only the version is hidden
            text = re.sub(r'version(": |=)1', rf"version\g<1>{_NO_VERSION}", text)
            if operation.method == "prompts/get":
                text = text.replace(document.uri, f'{document.uri}", "since_version": "{_NO_VERSION}')
            return _plain(await self.wire.ask(self.token(who), operation.method, json.loads(text)), document)
        key = (who.key, operation.name, document.collection == "common")
        if key not in self.missing:  # the same for all that are spelt alike
            text = text.replace(document.archived_id, _NO_ID)
            text = text.replace(document.word, MISSING).replace(document.older, MISSING)
            said = await self.wire.ask(self.token(who), operation.method, json.loads(text))
            self.missing[key] = _plain(said, document)
        return self.missing[key]


def _fits(operation: Operation, cell: Cell, said: Said) -> bool:
    try:
        return operation.fits(cell, said)
    except (KeyError, IndexError, ValueError, TypeError):
        return False


def _plain(said: Said, document: Document) -> tuple[int, str]:
    """All there is to see in an answer, without what was sent and what differs by chance."""
    text = _LEFT.sub("", _REFERENCE.sub("REFERENCE", said.text))
    text = text.replace(document.archived_id, _NO_ID)
    text = re.sub(r"version([= ])\d", r"version\g<1>N", text)
    return said.status, text.replace(document.word, MISSING).replace(document.older, MISSING)


async def every(work: Iterable[Any]) -> None:
    """Run it all, as many at once as there are connections."""
    left = iter(work)

    async def some() -> None:
        for one in left:
            await one

    async with anyio.create_task_group() as tasks:
        for _ in range(CONNECTIONS):
            tasks.start_soon(some)


@asynccontextmanager
async def opened(suite: Suite, world: World) -> AsyncGenerator[Matrix]:
    async with wired(suite.url("documents")) as wire:
        yield Matrix(suite, world, wire)
