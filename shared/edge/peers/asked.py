"""One other server: the client that a process has of it, and what a call of a tool gets."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from shared.core.errors import CannotDelegate, Conflict, Failure, Invalid, Misconfigured
from shared.core.peers import Asking, PeerContents
from shared.core.settings import Settings
from shared.core.upstreams import problem_of_url
from shared.edge.outbound import failures
from shared.edge.outbound.answers import Answered, fitted
from shared.edge.outbound.client import Client
from shared.edge.outbound.credentials import exchanged
from shared.edge.peers import failures as told
from shared.edge.peers.messages import Piece, Reply, Result, Told, labels_of, piece_of, request
from shared.state.http import BadAnswer, open_client

__all__ = ["WHOLE_BYTES", "AskedPeer", "KnownPeer", "open_peer"]

WHOLE_BYTES = 16 * 2**20
"""Largest resource that is read to its end."""

ModelT = TypeVar("ModelT", bound=BaseModel)


@dataclass(frozen=True)
class _At:
    """Where another server is, and how far we go with it: as `shared.core.upstreams.Upstream` has it."""

    url: str
    connect_s: float = 2
    answer_s: float = 8
    attempts: int = 3
    wait_s: float = 1
    body_limit_bytes: int = 8 * 2**20
    concurrency: int = 20
    breaker_failures: int = 5
    breaker_window_s: float = 30
    breaker_open_s: float = 15


@dataclass(frozen=True)
class KnownPeer:
    """One other server, as this process has it.

    Attributes:
        resource: What names it in a token exchange.
    """

    name: str
    title: str
    resource: str
    client: Client


@asynccontextmanager
async def open_peer(settings: Settings, name: str) -> AsyncGenerator[KnownPeer]:
    """The other server of that name.

    Raises:
        CannotDelegate: Its URL would send tokens in the clear.
    """
    url = settings.peers.get(name, f"{settings.base_url}/{name}/mcp")
    title = name.capitalize()
    if (problem := problem_of_url(url)) is not None:
        raise CannotDelegate(f"{title} cannot be asked: the {problem}. Who runs this server must set SUITE_PEERS.")
    at = _At(url)
    async with open_client(answer_s=at.answer_s, connect_s=at.connect_s, connections=at.concurrency) as http:
        client = Client(title, f"peer_{name}", at, http, lambda _: (), one_account=False)
        yield KnownPeer(name, title, settings.peer_resources.get(name, url), client)


class AskedPeer:
    """Another server, for one call of one caller (`shared.core.peers.Peer`)."""

    def __init__(self, server: str, name: str, known: Callable[[str], Awaitable[KnownPeer]], asking: Asking) -> None:
        self._server = server
        self._name = name
        self._known = known
        self._asking = asking
        declared = [scope for scope in asking.scopes if scope.partition(":")[0] == name]
        if not declared:
            raise Misconfigured(f"a tool that asks {name} declares the scopes that it needs there, in `elsewhere`")
        held = [scope for scope in declared if scope in asking.on_behalf.granted]
        self._scopes = tuple(held or declared[:1])

    async def call(self, tool: str, arguments: Mapping[str, Any], answer: type[ModelT]) -> ModelT:
        params = {"name": tool, "arguments": dict(arguments)}
        known, result = await self._ask("tools/call", tool, params)
        if result.is_error:
            raise self._failure(known, result)
        try:
            self._asking.labels.update(labels_of(result))
            return fitted(self._name, result.structured, answer)
        except BadAnswer:
            raise failures.away(known.title) from None

    async def read(self, uri: str) -> PeerContents:
        known, piece = await self._piece(uri)
        first, parts, size = piece.contents, [piece.contents.data], len(piece.contents.data)
        while piece.rest is not None:
            _, piece = await self._piece(piece.rest)
            parts.append(piece.contents.data)
            size += len(parts[-1])
            if size > WHOLE_BYTES:
                raise Invalid(f"{uri} of {known.title} is larger than the {WHOLE_BYTES} bytes taken here. Use another.")
            if not parts[-1] or piece.contents.facts.get("digest") != first.facts.get("digest"):
                raise Conflict(f"{uri} of {known.title} was changed while it was read. Repeat the call.")
        whole = b"".join(parts)
        return replace(first, text=whole.decode()) if first.blob is None else replace(first, blob=whole)

    async def _piece(self, uri: str) -> tuple[KnownPeer, Piece]:
        known, result = await self._ask("resources/read", uri, {"uri": uri})
        try:
            piece = piece_of(uri, result)
        except BadAnswer:
            raise failures.away(known.title) from None
        self._asking.labels.update(piece.contents.labels)
        return known, piece

    async def _ask(self, method: str, name: str, params: Mapping[str, Any]) -> tuple[KnownPeer, Result]:
        known = await self._known(self._name)

        def refuse(answered: Answered, pause_s: float) -> Failure:
            return told.of_status(known.title, self._name, answered, pause_s, self._scopes)

        message = request(method, name, params, self._asking.request_id, self._server)
        credential = exchanged(self._asking.on_behalf, known.resource, self._scopes)
        answered = await known.client.ask(replace(message, refuse=refuse), credential)
        try:
            reply = fitted(self._name, answered.body, Reply)
        except BadAnswer:
            raise failures.away(known.title) from None
        if reply.error is not None:
            raise told.of_rpc(known.title, reply.error, self._scopes)
        if reply.result is None or reply.id != self._asking.request_id:
            raise failures.away(known.title)
        if reply.result.result_type != "complete":
            raise told.asks(known.title)
        return known, reply.result

    def _failure(self, known: KnownPeer, result: Result) -> Failure:
        try:
            said = Told.model_validate((result.structured or {}).get("error"))
        except ValidationError:
            return failures.away(known.title)
        return told.of_tool(known.title, said, self._scopes)
