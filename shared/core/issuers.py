"""Identity providers whose tokens are accepted, and where each keeps what we need of a token."""

import re
from collections.abc import Mapping
from itertools import combinations
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from shared.core.caller import ACRS, Acr
from shared.core.errors import Misconfigured
from shared.core.words import Words

TENANT = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
"""What a tenant may be called: its name is part of keys, paths and settings of the database."""


Text = Annotated[str, Field(min_length=1)]


class OwnClient(BaseModel):
    """What one of our servers is called at a provider, and how it proves it: with a secret or a key. Processes that do
    not serve it need the `client_id` alone: it tells them who acts in a caller's name.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    client_id: Text
    client_secret: SecretStr | None = None
    client_key: Path | None = None

    @property
    def proves_itself(self) -> bool:
        return self.client_secret is not None or self.client_key is not None


class Issuer(BaseModel):
    """One identity provider: `SUITE_ISSUERS__ACME__URL=https://login.acme.example` and so on, or all of
    `SUITE_ISSUERS` as JSON. docs/identity-providers.md has the settings of well-known ones.

    A claim is named by its key, or by a path through objects (`realm_access.roles`); of several the first that is
    there counts, unless it says otherwise. Lists are words between blanks or commas, tables are JSON.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: Annotated[Text, Field(description="`iss` of its tokens, byte for byte.")]
    jwks_url: Annotated[str | None, Field(description="Default: from its metadata (RFC 8414).")] = None
    metadata_url: Annotated[
        str | None,
        Field(
            description="Where the console reads its metadata, if that is not below `url` from here; the metadata must "
            "name `url` all the same."
        ),
    ] = None
    algorithms: Annotated[Words, Field(description="Default: token_algorithms.")] = ()
    token_types: Annotated[
        Words, Field(description="Accepted `typ` headers (RFC 9068 §4); `none` for tokens without one.")
    ] = ("at+jwt", "application/at+jwt", "jwt")
    max_lifetime_s: Annotated[int | None, Field(ge=60, le=86_400, description="Default: token_max_lifetime_s.")] = None
    audiences: Annotated[
        dict[str, Text],
        Field(description="By server, `aud` of its tokens, where the provider cannot put the server's URL there."),
    ] = {}

    tenant: Annotated[Text | None, Field(description="All its callers are of this tenant.")] = None
    tenant_claim: Annotated[Text, Field(description="Else the claim that names the tenant.")] = "tenant"
    tenants: Annotated[
        dict[str, Text],
        Field(description="What the claim may say, and the tenant meant by it; without it any, as it stands."),
    ] = {}
    shares_tenants: Annotated[
        bool, Field(description="Other issuers that say so too may vouch for the same tenants.")
    ] = False
    subject_claim: Annotated[Text, Field(description="What identifies a user for good.")] = "sub"
    client_claims: Annotated[Words, Field(description="Claims that name the program in use.")] = (
        "client_id",
        "azp",
        "appid",
        "cid",
    )
    session_claim: Annotated[Text, Field(description="The login that tokens share.")] = "sid"
    id_claim: Annotated[Text, Field(description="What names a token, so that it can be stopped.")] = "jti"
    service_claims: Annotated[
        dict[str, Text],
        Field(
            description="Claims, and the value that tells a token of a program by itself (`*`: any), beside "
            "sub = client."
        ),
    ] = {}
    scope_claims: Annotated[Words, Field(description="Claims with scopes; all count.")] = ("scope", "scp")
    scope_prefix: Annotated[str, Field(description="Taken off each scope that begins with it.")] = ""
    scope_names: Annotated[
        dict[str, Text],
        Field(description="The provider's name of a scope, and ours: `Customers.Read` is customers:read."),
    ] = {}
    role_claims: Annotated[Words, Field(description="Claims with roles; all count.")] = ("roles",)
    role_names: Annotated[
        dict[str, Text],
        Field(description="The provider's name of a role or group, and ours; others do not count then."),
    ] = {}
    default_roles: Annotated[Words, Field(description="Of callers whose token has none.")] = ()
    acr_claims: Annotated[
        Words, Field(description="Claims that tell how somebody signed in; the strongest that we know counts.")
    ] = ("acr",)
    acr_names: Annotated[
        dict[str, Acr], Field(description="The provider's words for that, and ours: aal1, aal2 or aal3.")
    ] = {}

    introspect: Annotated[
        Literal["never", "opaque", "always"],
        Field(description="Ask the provider (RFC 7662) about tokens that are no JWT, or about every token."),
    ] = "never"
    introspection_url: Annotated[str | None, Field(description="Default: from its metadata.")] = None
    introspection_cache_s: Annotated[float, Field(ge=0, le=60, description="How long an answer `active` is kept.")] = 10
    token_url: Annotated[str | None, Field(description="For token exchange. Default: from its metadata.")] = None
    exchange_for: Annotated[
        Literal["resource", "audience"],
        Field(description="What names the other server in an exchange; Okta, Auth0 and Keycloak want `audience`."),
    ] = "resource"
    clients: Annotated[
        dict[str, OwnClient],
        Field(
            description="By server, what it is called there: `client_id`, and `client_secret` or `client_key` where it "
            "acts in its callers' names at other servers. Servers without an entry use the three settings below."
        ),
    ] = {}
    client_id: Annotated[Text | None, Field(description="What our servers are called there.")] = None
    client_secret: Annotated[SecretStr | None, Field(description="How they prove it: a secret,")] = None
    client_key: Annotated[
        Path | None, Field(description="or a file with a private key (JWK), for `private_key_jwt` (RFC 7523).")
    ] = None
    client_audience: Annotated[
        str | None, Field(description="`aud` of what that key signs. Default: the URL it is sent to.")
    ] = None

    @property
    def vouches_for(self) -> frozenset[str] | None:
        """The only tenants its tokens may name; None for any."""
        if self.tenant is not None:
            return frozenset({self.tenant})
        return frozenset(self.tenants.values()) if self.tenants else None

    def as_client(self, server: str) -> "Issuer | None":
        """The same provider with the client that this server is there; None if it can prove to be none."""
        own = self.clients.get(server)
        if own is None:
            return self if self.client_id is not None else None
        if not own.proves_itself:
            return None
        told = {name: getattr(own, name) for name in ("client_id", "client_secret", "client_key")}
        return self.model_copy(update=told)

    def server_named(self, client: str) -> str | None:
        """The server of ours that the provider calls so, where it has a client of its own."""
        return next((server for server, own in self.clients.items() if own.client_id == client), None)

    def words_for(self, acr: str | None) -> tuple[str, ...]:
        """The provider's words for a sign-in that is at least as strong, the weakest first (RFC 9470 §3)."""
        enough = ACRS[ACRS.index(acr) :] if acr in ACRS else ()
        named = [(enough.index(ours), word) for word, ours in self.acr_names.items() if ours in enough]
        return tuple(word for _, word in sorted(named)) or enough[:1]


def require_apart(issuers: Mapping[str, Issuer]) -> None:
    """No issuer may speak for another one's tenants, or be mistaken for it.

    Raises:
        Misconfigured: Names the issuers by their names in the settings.
    """
    for name, issuer in issuers.items():
        _require_whole(name, issuer, alone=len(issuers) == 1)
    for (one, first), (other, second) in combinations(issuers.items(), 2):
        if first.url == second.url:
            raise Misconfigured(f"issuers {one} and {other} have the same url")
        both = (first.vouches_for or frozenset()) & (second.vouches_for or frozenset())
        if both and not (first.shares_tenants and second.shares_tenants):
            names = ", ".join(sorted(both))
            said = f"issuers {one} and {other} both vouch for {names}; if that is meant, set shares_tenants on both"
            raise Misconfigured(said)


def _require_whole(name: str, issuer: Issuer, *, alone: bool) -> None:
    tenants = issuer.vouches_for
    if tenants is None and not alone:
        raise Misconfigured(
            f"issuer {name} must say which tenants it may vouch for, with tenant or tenants: it is not the only one"
        )
    if issuer.tenant is not None and issuer.tenants:
        raise Misconfigured(f"issuer {name} has a tenant and tenants; set one of them")
    if bad := [tenant for tenant in tenants or () if not TENANT.fullmatch(tenant)]:
        raise Misconfigured(f"issuer {name}: {bad[0]!r} is no tenant's name: a-z, 0-9, - and _, at most 63")
    if issuer.introspect != "never" or issuer.client_id:
        _require_credentials(name, issuer)
    _require_own_clients(name, issuer)


def _require_credentials(name: str, issuer: Issuer) -> None:
    if issuer.client_id is None or (issuer.client_secret is None) == (issuer.client_key is None):
        raise Misconfigured(f"issuer {name} needs a client_id, and a client_secret or a client_key: one of the two")


def _require_own_clients(name: str, issuer: Issuer) -> None:
    for server, own in issuer.clients.items():
        if own.client_secret is not None and own.client_key is not None:
            raise Misconfigured(
                f"issuer {name}: clients.{server} has a client_secret and a client_key; set one of them"
            )
        if issuer.server_named(own.client_id) != server or own.client_id == issuer.client_id:
            raise Misconfigured(f"issuer {name}: clients.{server} has the client_id of another; each is its own client")
