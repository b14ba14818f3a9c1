from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

from compose.idp.refusals import OAuthError
from shared.core.errors import Misconfigured
from shared.core.scopes import expand


@dataclass(frozen=True)
class Resource:
    """A server tokens can be asked for.

    Attributes:
        uri: Its resource identifier (RFC 8707), and so the `aud` of its tokens.
        scopes: The scopes it knows.
    """

    uri: str
    scopes: tuple[str, ...]

    def held(self, scopes: Iterable[str]) -> tuple[str, ...]:
        """What `scopes`, with all they imply, amount to here."""
        implied = expand(scopes)
        return tuple(scope for scope in self.scopes if scope in implied)

    def grant(self, requested: str | None, holder: Iterable[str]) -> tuple[str, ...]:
        """The requested scopes the holder has here; without a request, the reading ones. May be empty."""
        held = self.held(holder)
        if requested is None:
            return tuple(scope for scope in held if scope.endswith(":read"))
        return tuple(scope for scope in dict.fromkeys(requested.split()) if scope in held)


class Resources:
    """All servers tokens are issued for.

    Args:
        declared: Resource identifier → scopes.
        issuer: The provider, itself the resource of tokens that only tell who somebody is (OpenID Connect).
    """

    def __init__(self, declared: Mapping[str, Sequence[str]], issuer: str) -> None:
        self.identity = Resource(issuer, ("openid",))
        self._by_uri: dict[str, Resource] = {}
        for uri, scopes in declared.items():
            parts = urlsplit(uri)
            if not (parts.scheme and parts.netloc) or "#" in uri:
                raise Misconfigured(f"a resource is an absolute URI without fragment (RFC 8707 §2), not {uri}")
            self._by_uri[_canonical(uri)] = Resource(uri, tuple(scopes))

    @property
    def uris(self) -> list[str]:
        return [one.uri for one in self._by_uri.values()]

    @property
    def scopes(self) -> list[str]:
        """Every scope of every resource, each once."""
        return list(dict.fromkeys(scope for one in self._by_uri.values() for scope in one.scopes))

    def named(self, requested: Sequence[str]) -> Resource:
        """The one resource a request names; capitals in scheme and host do not matter.

        Raises:
            OAuthError: `invalid_target` (RFC 8707 §2): none, several, or one we do not know.
        """
        if len(requested) != 1:
            raise OAuthError("invalid_target", "Name one resource: the URL of the server the token is for.")
        found = self._by_uri.get(_canonical(requested[0]))
        if found is None:
            raise OAuthError("invalid_target", "Unknown resource. Use the resource of the protected-resource metadata.")
        return found


def _canonical(uri: str) -> str:
    try:
        parts = urlsplit(uri)
    except ValueError:
        return uri
    return urlunsplit(parts._replace(scheme=parts.scheme.lower(), netloc=parts.netloc.lower()))
