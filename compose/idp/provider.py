import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import httpx
from joserfc.jwk import Key, KeySetSerialization
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from compose.idp import metadata
from compose.idp.authorization import Authorization
from compose.idp.client_assertions import ClientAssertions
from compose.idp.client_authentication import ClientAuthentication
from compose.idp.clients import Client, Clients, resource_server_id
from compose.idp.codes import Codes
from compose.idp.documents import Documents
from compose.idp.events import Events, Sink
from compose.idp.exchange import TokenExchange
from compose.idp.id_tokens import IdTokens
from compose.idp.inspection import Inspection
from compose.idp.issuance import Issuance
from compose.idp.keys import SigningKeys
from compose.idp.machines import MACHINES
from compose.idp.personas import PERSONAS, Persona
from compose.idp.redemption import Redemption
from compose.idp.refresh import RefreshFamilies
from compose.idp.registration import Registration
from compose.idp.resources import Resources
from compose.idp.revoked import Revoked
from compose.idp.shapes import SHAPES
from compose.idp.tokens import MINTED_CLIENT, TOKEN_LIFETIME_S, AccessTokens, Form
from compose.idp.userinfo import UserInfo
from shared.core.errors import Misconfigured
from shared.state.guarded import Guarded, Judge

_BODY_BYTES = 16 * 1024
_PUBLIC = {"Cache-Control": "public, max-age=60"}


class IdentityProvider:
    """A mock identity provider: everybody may be any persona. For laptops, tests and demos only.

    Signing keys and the secrets of machines and resource servers outlive the process where there is a `keys_dir`.
    All else is memory, of bounded size: after a restart clients register again and people sign in again.

    Args:
        issuer: `iss` of its tokens, byte for byte. A path in it is where its endpoints are.
        resources: Resource identifier (RFC 8707) of each server → the scopes that server knows.
        clock: Seconds since the epoch.
        keys_dir: Where signing keys and machine secrets live, in files of mode 0600; None keeps them in memory.
        algorithm: Signs its tokens: `ES256`, `RS256`, `PS256` or `EdDSA` (Ed25519).
        access_tokens: `opaque` ones tell nothing but by introspection, and are forgotten at a restart.
        shape: Whose claims its access tokens have; a name in `compose.idp.shapes`.
        registrations_per_minute: Of dynamic clients, over everybody.
        loopback_documents: Read client metadata documents over http from this computer too: for development.
        connect: Opens the transport metadata documents are read over.
        clients: Programs that need not register, e.g. the console.
        on_event: Told what happens (`compose.idp.events`), before the answer to it leaves.

    Raises:
        Misconfigured: The issuer or a resource is no proper URL, a key file is readable by others, or there is no
            such algorithm or shape.
    """

    def __init__(
        self,
        issuer: str,
        *,
        resources: Mapping[str, Sequence[str]],
        clock: Callable[[], float] = time.time,
        keys_dir: Path | None = None,
        algorithm: str = "ES256",
        access_tokens: Literal["jwt", "opaque"] = "jwt",
        shape: str = "suite",
        registrations_per_minute: int = 60,
        loopback_documents: bool = False,
        connect: Callable[[Judge], httpx.AsyncBaseTransport] = Guarded,
        clients: Sequence[Client] = (),
        on_event: Sink | None = None,
    ) -> None:
        if shape not in SHAPES:
            raise Misconfigured(f"there is no shape {shape!r}; there are: {', '.join(SHAPES)}")
        issuer = SHAPES[shape].issuer(issuer)
        self.issuer = issuer
        self._prefix = _path_of(issuer)
        self._clock = clock
        events = Events(on_event, clock)
        self._resources = Resources(resources, issuer)
        self._keys = SigningKeys(clock, keys_dir, algorithm)
        documents = Documents(events, clock, loopback=loopback_documents, connect=connect)
        self._clients = Clients(keys_dir, resources=self._resources.uris, documents=documents, fixed=clients)
        self._form = Form(shape, opaque=access_tokens == "opaque")
        self._tokens = AccessTokens(issuer, self._keys, clock, self._form)
        self._metadata = metadata.describe(issuer, self._resources.scopes, algorithm)
        codes, revoked = Codes(clock), Revoked(clock)
        families = RefreshFamilies(revoked, events, clock)
        authentication = ClientAuthentication(self._clients, ClientAssertions(issuer, clock), events)
        self._issuance = Issuance(self._tokens, IdTokens(issuer, self._keys), families, events)
        self._authorization = Authorization(issuer, self._clients, self._resources, codes, events, clock)
        exchange = TokenExchange(self._tokens, revoked, self._resources, self._issuance, events, clock)
        self._redemption = Redemption(
            authentication, self._resources, codes, families, self._issuance, exchange, events
        )
        self._registration = Registration(self._clients, events, clock, registrations_per_minute)
        self._inspection = Inspection(authentication, self._tokens, families, revoked, events)
        self._userinfo = UserInfo(issuer, self._tokens, revoked)

    @property
    def routes(self) -> list[Route]:
        """All routes, from the root of the host: metadata lives there too, path-inserted (RFC 8414 §3.1)."""
        at = self._prefix
        described = {
            f"/.well-known/oauth-authorization-server{at}",
            f"/.well-known/openid-configuration{at}",
            f"{at}/.well-known/openid-configuration",
        }
        posted = {
            "/login": self._authorization.choose,
            "/second-factor": self._authorization.prove,
            "/consent": self._authorization.decide,
            "/token": self._redemption.redeem,
            "/register": self._registration.register,
            "/revoke": self._inspection.revoke,
            "/introspect": self._inspection.introspect,
        }
        return [
            *(Route(path, self._describe) for path in sorted(described)),
            Route(f"{at}/jwks.json", self._jwks),
            Route(f"{at}/authorize", self._authorization.ask),
            Route(f"{at}/second-factor", self._authorization.challenge, methods=["GET"]),
            Route(f"{at}/consent", self._authorization.review, methods=["GET"]),
            Route(f"{at}/userinfo", self._userinfo.tell, methods=["GET", "POST"], max_body_size=_BODY_BYTES),
            *(Route(f"{at}{path}", take, methods=["POST"], max_body_size=_BODY_BYTES) for path, take in posted.items()),
        ]

    def mint(
        self,
        persona: str,
        resource: str,
        scopes: Sequence[str] | None = None,
        lifetime_s: int = TOKEN_LIFETIME_S,
        *,
        shape: str | None = None,
        opaque: bool | None = None,
        **claims: Any,
    ) -> str:
        """An access token without the ceremony, for the command line and tests.

        Args:
            persona: Key of a persona (`compose.idp.personas`), or the client id of a machine, for itself.
            resource: Its `aud`.
            scopes: As given, unchecked; None for all the persona holds at a known resource.
            lifetime_s: Seconds; negative for one that has ended.
            shape: Whose claims it has, if not those of all its tokens.
            opaque: Whether only introspection tells what it means, if not as all its tokens.
            claims: Added to ours or replacing them; None leaves one out.

        Raises:
            KeyError: No such persona, or no such shape.
            OAuthError: `scopes` is None and the resource is not known.
        """
        who = MACHINES.get(persona) or PERSONAS[persona]
        granted = self._resources.named([resource]).held(who.scopes) if scopes is None else scopes
        session: dict[str, Any] = {"client_id": who.subject}
        if isinstance(who, Persona):
            session = {"acr": who.acr, "auth_time": int(self._clock()), "client_id": MINTED_CLIENT}
        session |= claims
        issued = self._tokens.issue(
            who,
            client_id=str(session.pop("client_id")),
            audience=resource,
            scopes=granted,
            lifetime_s=lifetime_s,
            form=Form(shape or self._form.shape, self._form.opaque if opaque is None else opaque),
            **session,
        )
        self._issuance.report("minted", issued, tuple(granted), tenant=issued.claims.get("tenant"))
        return issued.token

    def rotate(self) -> None:
        """Sign with a new key; the old one stays in the JWK set until its last token has ended."""
        self._keys.rotate()

    def key_set(self) -> KeySetSerialization:
        """The published JWK set, for a verifier in the same process."""
        return self._keys.public()

    def machine_secret(self, client_id: str) -> str:
        """The secret of a machine (`compose.idp.machines`).

        Raises:
            KeyError: No such machine.
        """
        client = self._clients.get(client_id)
        if client is None or client.machine is None or client.secret is None:
            raise KeyError(client_id)
        return client.secret

    def machine_key(self, client_id: str) -> Key:
        """The private key of a machine, for `private_key_jwt`.

        Raises:
            KeyError: No such machine.
        """
        return self._clients.private_key(MACHINES[client_id].client_id)

    def resource_server_key(self, resource: str) -> Key:
        """The private key of a server, for `private_key_jwt`.

        Raises:
            KeyError: No such resource.
        """
        return self._clients.private_key(resource_server_id(resource))

    def resource_server(self, resource: str) -> tuple[str, str]:
        """Client id and secret with which a server asks about tokens for it (RFC 7662).

        Raises:
            KeyError: No such resource.
        """
        client = self._clients.get(resource_server_id(resource))
        if client is None or client.secret is None:
            raise KeyError(resource)
        return client.id, client.secret

    async def _describe(self, request: Request) -> JSONResponse:  # noqa: ARG002 Starlette passes it
        return JSONResponse(self._metadata, headers=_PUBLIC)

    async def _jwks(self, request: Request) -> JSONResponse:  # noqa: ARG002 Starlette passes it
        return JSONResponse(self.key_set(), headers=_PUBLIC)


def idp_app(provider: IdentityProvider, allowed_hosts: Sequence[str] = ()) -> Starlette:
    """The provider as an application of its own; it answers to the issuer's host and to `allowed_hosts`."""
    host = urlsplit(provider.issuer).hostname or ""
    trusted = Middleware(TrustedHostMiddleware, allowed_hosts=[host, *allowed_hosts])
    return Starlette(routes=provider.routes, middleware=[trusted])


def _path_of(issuer: str) -> str:
    parts = urlsplit(issuer)
    if parts.scheme not in {"http", "https"} or not parts.netloc or parts.query or parts.fragment:
        raise Misconfigured(f"an issuer is an http(s) URL without query and fragment (RFC 8414 §2), not {issuer}")
    return parts.path.rstrip("/")
