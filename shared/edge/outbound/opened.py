"""An upstream as a process has it, and what a call of a tool gets of it."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ValidationError

from shared.core.caller import Caller
from shared.core.delegation import OnBehalf
from shared.core.errors import Misconfigured
from shared.core.over import Over
from shared.core.settings import Settings
from shared.core.upstreams import Path, Query, Reader, Sender, Step, Upstream
from shared.edge.outbound import failures
from shared.edge.outbound.answers import fitted
from shared.edge.outbound.client import Client, open_http
from shared.edge.outbound.credentials import Credential, of_caller, of_service
from shared.edge.outbound.message import Message
from shared.state.database import Database
from shared.state.http import BadAnswer
from shared.state.keys import KeyRing
from shared.state.sendings import Sendings
from shared.steps.sending import Once, Whose

__all__ = ["Elsewhere", "Opened", "open_upstream"]

ModelT = TypeVar("ModelT", bound=BaseModel)


class _Reading:
    """Questions with one credential."""

    def __init__(self, client: Client, credential: Credential) -> None:
        self._client = client
        self._credential = credential

    async def get(self, path: Path, answer: type[ModelT], query: Query | None = None) -> ModelT:
        return await self._ask(Message("GET", path, query or {}), answer)

    async def ask(
        self, path: Path, body: Mapping[str, Any], answer: type[ModelT], query: Query | None = None
    ) -> ModelT:
        return await self._ask(Message("POST", path, query or {}, body), answer)

    async def _ask(self, message: Message, answer: type[ModelT]) -> ModelT:
        answered = await self._client.ask(message, self._credential)
        try:
            return fitted(self._client.name, answered.body, answer)
        except BadAnswer:
            raise failures.away(self._client.title) from None


class _Sending:
    """One write with one credential: a second request of it is refused, whatever asks for it."""

    def __init__(self, client: Client, credential: Credential) -> None:
        self._client = client
        self._credential = credential
        self._used = False

    async def send(
        self,
        method: Literal["POST", "PUT", "DELETE"],
        path: Path,
        body: Mapping[str, Any] | None = None,
        answer: type[ModelT] | None = None,
        query: Query | None = None,
    ) -> ModelT | None:
        if self._used:
            raise RuntimeError("a write is one request")
        self._used = True
        answered = await self._client.send(Message(method, path, query or {}, body, changes=True), self._credential)
        if answer is None:
            return None
        try:
            return fitted(self._client.name, answered.body, answer)
        except BadAnswer:
            raise failures.lost(self._client.title) from None


class Elsewhere:
    """The other system, for one call of one caller."""

    def __init__(self, client: Client, credential: Credential, options: Any, once: Once, *, as_caller: bool) -> None:
        self._reading: Reader = _Reading(client, credential)
        self._sending: Sender = _Sending(client, credential)
        self._once = once
        self._as_caller = as_caller
        self.options = options

    @property
    def as_caller(self) -> bool:
        """Whether it is asked in the caller's name."""
        return self._as_caller

    @property
    def acted(self) -> bool:
        """Whether a write may have been done."""
        return self._once.acted

    async def get(self, path: Path, answer: type[ModelT], query: Query | None = None) -> ModelT:
        return await self._reading.get(path, answer, query)

    async def ask(
        self, path: Path, body: Mapping[str, Any], answer: type[ModelT], query: Query | None = None
    ) -> ModelT:
        return await self._reading.ask(path, body, answer, query)

    async def once(self, step: Step, target: str, send: Callable[[Sender, str], Awaitable[str]]) -> str:
        return await self._once.do(step, target, self._reading, self._sending, send)


@dataclass(frozen=True)
class Opened:
    """One upstream of one server, in this process.

    Attributes:
        options: What the server wanted to know of it.
    """

    server: str
    name: str
    upstream: Upstream
    over: Over
    options: Any
    client: Client
    database: Database
    ring: KeyRing = field(repr=False)

    def of(self, caller: Caller, on_behalf: OnBehalf, whose: Whose) -> Elsewhere:
        """What a call gets.

        Raises:
            Denied: The system is another tenant's: it is not asked.
        """
        if caller.tenant != self.upstream.tenant:
            raise failures.nobody_asks(self.over.title)
        once = Once(self.sendings, self.ring, whose, self.in_flight_s, self.upstream.settle_s)
        credential, as_caller = of_caller(self.upstream, on_behalf), self.upstream.auth == "exchange"
        return Elsewhere(self.client, credential, self.options, once, as_caller=as_caller)

    @property
    def in_flight_s(self) -> float:
        """How long a write may take, which may read first whether things are still as the caller knows them."""
        return 2 * self.upstream.answer_s

    @property
    def sendings(self) -> Sendings:
        """Of its tenant."""
        return Sendings(self.database, self.upstream.tenant, self.name, self.server)

    def as_service(self) -> Reader | None:
        """Questions of our own, where there is a credential for them."""
        credential = of_service(self.upstream)
        return _Reading(self.client, credential) if credential else None


@asynccontextmanager
async def open_upstream(
    server: str, name: str, over: Over, settings: Settings, database: Database, ring: KeyRing
) -> AsyncGenerator[Opened]:
    """The upstream `name` of the settings, over which the server is served.

    Raises:
        Misconfigured: Its options are not what the server wants to know.
    """
    upstream = settings.upstreams[name]
    try:
        options = over.options.model_validate(upstream.options)
    except ValidationError as error:
        wrong = sorted({".".join(map(str, found["loc"])) or "options" for found in error.errors(include_input=False)})
        setting = f"SUITE_UPSTREAMS__{name.upper()}__OPTIONS"
        raise Misconfigured(f"upstream {name}: {', '.join(wrong)} in {setting} cannot be used; set it anew") from None
    async with open_http(upstream) as http:
        client = Client(over.title, name, upstream, http, over.explain)
        yield Opened(server, name, upstream, over, options, client, database, ring)
