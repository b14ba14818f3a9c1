"""Other people's systems that a server works over: what is set of each, and what a tool may do there."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address
from typing import Annotated, Any, Literal, Protocol, TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from shared.core.errors import Misconfigured
from shared.core.issuers import TENANT, Text
from shared.core.words import Words

__all__ = ["Find", "OtherSystem", "Said", "Sender", "Step", "Upstream", "require_reachable"]

ModelT = TypeVar("ModelT", bound=BaseModel)

Path = Sequence[str]
"""The segments of a URL's path, as they are: each is quoted, so that none can become two."""
Query = Mapping[str, str | int]


class Upstream(BaseModel):
    """One system that a server works over: `SUITE_UPSTREAMS` as JSON by name, or
    `SUITE_UPSTREAMS__JIRA__URL=https://acme.atlassian.net` and so on. The name says which server uses it
    (docs/tickets-over-jira.md).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: Annotated[Text, Field(description="Where its API begins; https, except on this machine.")]
    tenant: Annotated[Text, Field(description="Whose it is: it is asked for callers of this tenant alone.")]
    auth: Annotated[
        Literal["exchange", "basic", "bearer"],
        Field(
            description="`exchange`: with a token of the caller's, by token exchange; `basic`, `bearer`: with the "
            "service credential below, whoever calls."
        ),
    ] = "exchange"
    resource: Annotated[Text | None, Field(description="What a token is asked for (RFC 8707). Default: url.")] = None
    scopes: Annotated[Words, Field(description="What that token must allow.")] = ()
    user: Annotated[Text | None, Field(description="Of the service credential; without it the token goes alone.")] = (
        None
    )
    token: Annotated[
        SecretStr | None, Field(description="Of the service credential; with `exchange` for what is settled later.")
    ] = None
    connect_s: Annotated[float, Field(gt=0, le=30, description="How long connecting may take.")] = 2
    answer_s: Annotated[float, Field(gt=0, le=120, description="How long an answer may take, repeats included.")] = 10
    attempts: Annotated[int, Field(ge=1, le=10, description="How often a read is sent at most; a write once.")] = 3
    wait_s: Annotated[
        float, Field(ge=0, le=30, description="Pauses it asks for are waited out up to this; longer ones are told.")
    ] = 2
    body_limit_bytes: Annotated[int, Field(ge=1024, le=64 * 2**20, description="Largest answer taken.")] = 4 * 2**20
    concurrency: Annotated[int, Field(ge=1, le=100, description="Requests of this process at a time.")] = 10
    breaker_failures: Annotated[
        int, Field(ge=1, le=1000, description="So many failures within the window, and it is not asked for a while.")
    ] = 5
    breaker_window_s: Annotated[float, Field(gt=0, le=600, description="The window.")] = 30
    breaker_open_s: Annotated[float, Field(gt=0, le=600, description="The while; then one request is let through.")] = (
        15
    )
    settle_s: Annotated[
        float,
        Field(ge=0, le=86_400, description="How long a write may take to show there; later it was not done."),
    ] = 300
    options: Annotated[
        dict[str, Any], Field(description="What the server wants to know of it (that server's page says).")
    ] = {}

    @property
    def audience(self) -> str:
        """What names it in a token exchange."""
        return self.resource or self.url


def require_reachable(upstreams: Mapping[str, Upstream]) -> None:
    """Refuse what would send a credential in the clear, or could not send one at all.

    Raises:
        Misconfigured: Names the upstream and the setting.
    """
    for name, upstream in upstreams.items():
        if (problem := _problem(upstream)) is not None:
            raise Misconfigured(f"upstream {name}: {problem}")


def _problem(upstream: Upstream) -> str | None:
    if not TENANT.fullmatch(upstream.tenant):
        return f"{upstream.tenant!r} is no tenant's name: a-z, 0-9, - and _, at most 63"
    return problem_of_url(upstream.url) or _problem_of_credential(upstream)


def problem_of_url(given: str) -> str | None:
    """Why credentials cannot be sent to a URL; None if they can."""
    url = urlsplit(given)
    if not url.hostname or url.scheme not in {"https", "http"}:
        return "url must be https://HOST"
    if url.scheme == "http" and not _is_loopback(url.hostname):
        return "url must be https (http on loopback only)"
    if url.username or url.password or url.query or url.fragment:
        return "url holds more than scheme, host and path; credentials have settings of their own"
    return None


def _problem_of_credential(upstream: Upstream) -> str | None:
    if upstream.auth != "exchange" and upstream.token is None:
        return f"auth={upstream.auth} needs a token"
    if (upstream.auth == "basic" or upstream.user) and not (upstream.user and upstream.token):
        return "a service credential of user and token needs both"
    if upstream.auth == "exchange" and not upstream.scopes:
        return "auth=exchange needs scopes: what the caller's token must allow there"
    return None


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


@dataclass(frozen=True, slots=True)
class Said:
    """One thing that the other side says is wrong.

    Attributes:
        field: As it calls it; empty for what is wrong with the whole.
    """

    field: str
    message: str


class Reader(Protocol):
    """Questions to the other system, each repeated where that may help; what comes back fits the model, or nothing
    does.
    """

    async def get(self, path: Path, answer: type[ModelT], query: Query | None = None) -> ModelT:
        """GET.

        Raises:
            NotFound: It is not there, or the caller may not see it.
            Denied: The caller may not.
            Invalid: The question was wrong; its words say how.
            RateLimited: Too much was asked; says when to come back.
            Unavailable: It does not answer, or not in a way we know; nothing was done.
        """
        ...

    async def ask(
        self, path: Path, body: Mapping[str, Any], answer: type[ModelT], query: Query | None = None
    ) -> ModelT:
        """POST of a question that changes nothing there, such as a search; raises as `get`."""
        ...


class Sender(Protocol):
    """The one request of a write; never repeated."""

    async def send(
        self,
        method: Literal["POST", "PUT", "DELETE"],
        path: Path,
        body: Mapping[str, Any] | None = None,
        answer: type[ModelT] | None = None,
        query: Query | None = None,
    ) -> ModelT | None:
        """What the other side answered; None where `answer` is.

        Raises:
            OutcomeUnknown: It may have been done: the reply was lost, or cannot be read.
            Failure: As `Reader.get`; it was not done. `Conflict` where the other side says so.
        """
        ...


Find = Callable[[Reader, str, str, datetime], Awaitable[str | None]]
"""Looks for a write by reader, target, marker and when it was sent: what it made, or None while it does not show."""


@dataclass(frozen=True)
class Step:
    """A kind of write that leaves a marker there, by which it is found again.

    Attributes:
        name: Unique in its server; never changed, since records hold it.
        find: Whether it was done.
    """

    name: str
    find: Find


class OtherSystem(Reader, Protocol):
    """What a tool of a server over another system gets as `call.upstream`."""

    @property
    def options(self) -> Any:
        """What the server wanted to know of it, as the model it declared."""
        ...

    @property
    def as_caller(self) -> bool:
        """Whether it is asked in the caller's name; else a service's rights decide there, whoever calls."""
        ...

    async def once(self, step: Step, target: str, send: Callable[[Sender, str], Awaitable[str]]) -> str:
        """Have one write sent at most once, whoever repeats the call and whatever dies.

        Args:
            step: What is done; each at most once in a call.
            target: What it is done to, as `step.find` needs it.
            send: Sends one request, with the marker it is given in it, and returns what was made.

        Returns:
            What `send` returned, now or in an earlier call with the same idempotency key.

        Raises:
            Invalid: The call has no idempotency key.
            KeyReused: The key was used with other arguments.
            InProgress: It is being sent by another call.
            OutcomeUnknown: It may have been done; to repeat the call looks again.
            Conflict: It was sent before and was not done; a new key does it.
            Failure: What `send` raised: it was not done, and may be repeated with the same key.
        """
        ...
