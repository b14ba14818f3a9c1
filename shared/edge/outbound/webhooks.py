"""Messages to other people's programs, signed as Standard Webhooks has it (https://www.standardwebhooks.com, 1.0).

Each is sent until it is taken, always with the same id, so that whoever gets it twice can tell. Nobody is followed
elsewhere, and no address is reached but public ones, or those inside the house where that is set.
"""

import hmac
import time
from base64 import b64encode
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from hashlib import sha256
from http import HTTPStatus
from ipaddress import IPv4Address, IPv6Address
from typing import Literal

import httpx
import structlog

from shared.core.backend import RoundTrip
from shared.state.guarded import Guarded, is_loopback_address, is_public_address

__all__ = ["Taken", "Webhooks", "open_webhooks", "signed"]

_ANSWER_S = 10.0

Taken = Literal["taken", "later", "never"]
"""Whether a message was taken; if not, whether to send it again. Never after 410: nobody wants them there any more."""

log = structlog.get_logger("outbound")


def signed(keys: Sequence[bytes], message_id: str, at: int, body: bytes) -> dict[str, str]:
    """The headers that tell who sent a message, one signature for each key.

    Args:
        keys: Those that may be in use, while one is replaced by another.
        message_id: Of the message, however often it is sent.
        at: Seconds since the epoch, of this attempt: who gets it need not take old ones.
        body: To the byte.
    """
    content = f"{message_id}.{at}.".encode() + body
    signatures = (f"v1,{b64encode(hmac.new(key, content, sha256).digest()).decode()}" for key in keys)
    return {"webhook-id": message_id, "webhook-timestamp": str(at), "webhook-signature": " ".join(signatures)}


class Webhooks:
    """Sends messages; a process has one.

    Args:
        outside: Reaches public addresses alone, and this machine where the URL says so.
        inside: Reaches private networks too.
    """

    def __init__(
        self, outside: httpx.AsyncClient, inside: httpx.AsyncClient, clock: Callable[[], float] = time.time
    ) -> None:
        self._outside = outside
        self._inside = inside
        self._clock = clock

    async def send(
        self, url: str, keys: Sequence[bytes], message_id: str, body: bytes, *, inside: bool = False
    ) -> Taken:
        """Send one message once; never raises for what the other side does."""
        headers = signed(keys, message_id, int(self._clock()), body) | {
            "Content-Type": "application/json",
            "User-Agent": "mcp-suite",
            "Accept-Encoding": "identity",
        }
        client = self._inside if inside else self._outside
        try:
            with RoundTrip("webhook", "send"):
                async with client.stream("POST", url, content=body, headers=headers) as answer:
                    status = answer.status_code  # what it says beside that, nobody reads
        except httpx.HTTPError as error:
            log.warning("a webhook was not taken", message=message_id, error=type(error).__name__)
            return "later"
        if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
            return "taken"
        log.warning("a webhook was not taken", message=message_id, status=status)
        return "never" if status == HTTPStatus.GONE else "later"


@asynccontextmanager
async def open_webhooks() -> AsyncGenerator[Webhooks]:
    """For a process's lifetime; no proxy is used, which would resolve names by itself."""

    def make(judge: Callable[[IPv4Address | IPv6Address], bool]) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=_ByScheme(judge), timeout=_ANSWER_S, follow_redirects=False, trust_env=False)

    async with make(is_public_address) as outside, make(lambda address: not _is_metadata(address)) as inside:
        yield Webhooks(outside, inside)


class _ByScheme(httpx.AsyncBaseTransport):
    """http reaches this machine and nothing else; https what the judge lets through."""

    def __init__(self, judge: Callable[[IPv4Address | IPv6Address], bool]) -> None:
        self._plain = Guarded(is_loopback_address)
        self._tls = Guarded(judge)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        transport = self._plain if request.url.scheme == "http" else self._tls
        return await transport.handle_async_request(request)

    async def aclose(self) -> None:
        await self._plain.aclose()
        await self._tls.aclose()


def _is_metadata(address: IPv4Address | IPv6Address) -> bool:
    """Link-local addresses, where clouds tell machines their credentials; and what is no host at all."""
    return address.is_link_local or address.is_multicast or address.is_unspecified
