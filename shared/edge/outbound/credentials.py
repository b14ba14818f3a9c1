"""With what we show up there: a token made for it, or a credential of the service's own. Never a caller's own token."""

from base64 import b64encode
from collections.abc import Sequence
from typing import Protocol

from pydantic import SecretStr

from shared.core.delegation import OnBehalf
from shared.core.errors import Misconfigured
from shared.core.upstreams import Upstream

__all__ = ["Credential", "exchanged", "of_caller", "of_service"]


class Credential(Protocol):
    """Headers that say who asks."""

    async def headers(self, *, refused: bool) -> dict[str, str] | None:
        """To be sent to the upstream alone.

        Args:
            refused: What was sent before is not accepted; None then if there is nothing better.
        """
        ...


class _Exchanged:
    """A token that speaks for the caller; had once for each request, since it is kept where it is made."""

    def __init__(self, on_behalf: OnBehalf, resource: str, scopes: Sequence[str]) -> None:
        self._on_behalf = on_behalf
        self._resource = resource
        self._scopes = scopes
        self._last: SecretStr | None = None

    async def headers(self, *, refused: bool) -> dict[str, str] | None:
        instead_of = self._last if refused else None
        token = self._last = await self._on_behalf.token(self._resource, self._scopes, instead_of=instead_of)
        return {"Authorization": f"Bearer {token.get_secret_value()}"}


class _Service:
    def __init__(self, header: str) -> None:
        self._header = SecretStr(header)

    async def headers(self, *, refused: bool) -> dict[str, str] | None:
        return None if refused else {"Authorization": self._header.get_secret_value()}


def of_service(upstream: Upstream) -> Credential | None:
    """The service credential, if there is one."""
    if upstream.token is None:
        return None
    token = upstream.token.get_secret_value()
    if upstream.user:
        return _Service(f"Basic {b64encode(f'{upstream.user}:{token}'.encode()).decode()}")
    return _Service(f"Bearer {token}")


def exchanged(on_behalf: OnBehalf, resource: str, scopes: Sequence[str]) -> Credential:
    """A token that speaks for the caller there."""
    return _Exchanged(on_behalf, resource, scopes)


def of_caller(upstream: Upstream, on_behalf: OnBehalf) -> Credential:
    """What a call is made with."""
    if upstream.auth == "exchange":
        return exchanged(on_behalf, upstream.audience, upstream.scopes)
    service = of_service(upstream)
    if service is None:
        raise Misconfigured(f"auth={upstream.auth} needs a token")
    return service
