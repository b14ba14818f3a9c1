"""Acting for a caller at another server: with a token made for that, never with the caller's own."""

from collections.abc import Sequence
from typing import Protocol

from pydantic import SecretStr

from shared.core.errors import CannotDelegate

__all__ = ["NOBODY", "Noted", "OnBehalf"]


class OnBehalf(Protocol):
    """What a tool may do elsewhere in its caller's name."""

    @property
    def granted(self) -> frozenset[str]:
        """The scopes of the caller's token, with what they imply, of whatever server."""
        ...

    async def token(self, resource: str, scopes: Sequence[str], *, instead_of: SecretStr | None = None) -> SecretStr:
        """A token for `resource` that speaks for the caller and names our server as who acts (RFC 8693).

        Send it to that resource alone, and ask again for each call: it is kept, and renewed in time.

        Args:
            resource: The resource identifier (RFC 8707) of the other server.
            scopes: What the call needs there; declare them among the tool's own, so that the caller granted them.
            instead_of: One that the other server does not accept any more: it is not kept any longer.

        Raises:
            CannotDelegate: This server is not set up for it, or there is no token to exchange; the message says what
                to do.
            Forbidden: The identity provider does not let the caller, or us in the caller's name.
            Unavailable: The identity provider does not answer.
        """
        ...


class Noted:
    """The same, and `where` lists each server that a token was had for."""

    def __init__(self, on_behalf: OnBehalf, where: list[str]) -> None:
        self._on_behalf = on_behalf
        self._where = where

    @property
    def granted(self) -> frozenset[str]:
        return self._on_behalf.granted

    async def token(self, resource: str, scopes: Sequence[str], *, instead_of: SecretStr | None = None) -> SecretStr:
        token = await self._on_behalf.token(resource, scopes, instead_of=instead_of)
        if resource not in self._where:
            self._where.append(resource)
        return token


class _Nobody:
    granted: frozenset[str] = frozenset()

    async def token(self, resource: str, scopes: Sequence[str], *, instead_of: SecretStr | None = None) -> SecretStr:
        del resource, scopes, instead_of
        raise CannotDelegate(
            "This call would act at another server in your name, for which it needs your access token; over stdio "
            "there is none. Connect to this server over HTTP."
        )


NOBODY: OnBehalf = _Nobody()
"""Of calls that came without a token."""
