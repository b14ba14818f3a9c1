"""Requests that reach only addresses somebody judged, whatever a name resolves to (server-side request forgery)."""

import ssl
from collections.abc import Awaitable, Callable, Sequence
from functools import cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from socket import SOCK_STREAM
from typing import Any

import anyio
import httpx

Address = IPv4Address | IPv6Address
Judge = Callable[[Address], bool]
Resolve = Callable[[str, int], Awaitable[Sequence[Address]]]

_NAT64 = IPv6Network("64:ff9b::/96")
_DEFAULT_PORTS = {"http": 80, "https": 443}


class NotAllowed(httpx.ConnectError):
    """The name resolves to an address the judge refuses; nothing was connected."""


class Guarded(httpx.AsyncBaseTransport):
    """Resolves a name, has every address of it judged, and connects to exactly those.

    Connecting by name after the check would resolve it again, and its owner could answer otherwise then. The
    certificate is still checked against the name. Proxies are not used: they would resolve by themselves.

    Args:
        judge: Whether an address may be reached.
        resolve: Addresses of a host name, for a port.
        inner: Makes the requests.
    """

    def __init__(
        self, judge: Judge, *, resolve: Resolve | None = None, inner: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self._judge = judge
        self._resolve = resolve or addresses
        self._inner = inner or httpx.AsyncHTTPTransport(verify=_trust(), trust_env=False)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        name = request.url.host
        found = await self._resolve(name, request.url.port or _DEFAULT_PORTS[request.url.scheme])
        if not found or not all(self._judge(address) for address in found):
            raise NotAllowed("the name resolves to an address that must not be reached", request=request)
        extensions = {**request.extensions, "sni_hostname": name}
        for address in found[:-1]:
            try:
                return await self._inner.handle_async_request(_towards(address, request, extensions))
            except httpx.ConnectError:
                continue
        return await self._inner.handle_async_request(_towards(found[-1], request, extensions))

    async def aclose(self) -> None:
        await self._inner.aclose()


async def addresses(name: str, port: int) -> list[Address]:
    """What the name resolves to, each once, in the order of preference."""
    try:
        found = await anyio.getaddrinfo(name, port, type=SOCK_STREAM)
    except (OSError, UnicodeError):
        raise httpx.ConnectError("the name does not resolve") from None
    return list(dict.fromkeys(ip_address(str(entry[4][0]).partition("%")[0]) for entry in found))


def is_public_address(address: Address) -> bool:
    """Whether it is on the public internet, also where an IPv6 address only wraps an IPv4 one."""
    inner = _wrapped(address)
    if inner is not None:
        return is_public_address(inner)
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


def is_loopback_address(address: Address) -> bool:
    return address.is_loopback


def _wrapped(address: Address) -> IPv4Address | None:
    if isinstance(address, IPv4Address):
        return None
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)


def _towards(address: Address, request: httpx.Request, extensions: dict[str, Any]) -> httpx.Request:
    """The same request, `Host` header included, sent to the address."""
    url = request.url.copy_with(host=str(address))
    return httpx.Request(request.method, url, headers=request.headers, stream=request.stream, extensions=extensions)


@cache
def _trust() -> ssl.SSLContext:
    """Made once: reading the authorities takes 19 ms."""
    return httpx.create_ssl_context(trust_env=False)
