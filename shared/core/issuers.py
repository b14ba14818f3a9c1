"""Identity providers whose tokens are accepted, and where each keeps what we need of a token."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr


class Issuer(BaseModel):
    """One identity provider: `SUITE_ISSUERS__ACME__URL=https://login.acme.example` and so on, or all of
    `SUITE_ISSUERS` as JSON. docs/identity-providers.md has the settings of well-known ones.

    A claim is named by its key, or by a path through objects (`realm_access.roles`); of several the first that is
    there counts, unless it says otherwise.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: Annotated[str, Field(description="`iss` of its tokens, byte for byte.")]
    jwks_url: Annotated[str | None, Field(description="Default: from its metadata (RFC 8414).")] = None
    algorithms: Annotated[tuple[str, ...], Field(description="Default: token_algorithms.")] = ()
    token_types: Annotated[tuple[str, ...], Field(description="Accepted `typ` headers (RFC 9068 §4).")] = (
        "at+jwt",
        "application/at+jwt",
        "jwt",
    )
    audiences: Annotated[
        dict[str, str],
        Field(description="By server, `aud` of its tokens, where the provider cannot put the server's URL there."),
    ] = {}

    tenant: Annotated[str | None, Field(description="All its callers are of this tenant.")] = None
    tenant_claim: Annotated[str, Field(description="Else the claim that names the tenant.")] = "tenant"
    tenants: Annotated[
        dict[str, str],
        Field(description="What the claim may say, and the tenant meant by it; without it any, as it stands."),
    ] = {}
    subject_claim: Annotated[str, Field(description="What identifies a user for good.")] = "sub"
    client_claims: Annotated[tuple[str, ...], Field(description="Claims that name the program in use.")] = (
        "client_id",
        "azp",
        "appid",
        "cid",
    )
    session_claim: Annotated[str, Field(description="The login that tokens share.")] = "sid"
    service_claims: Annotated[
        dict[str, str],
        Field(description="Claims, and the value that tells a token of a program by itself, beside sub = client."),
    ] = {}
    scope_claims: Annotated[tuple[str, ...], Field(description="Claims with scopes; all count.")] = ("scope", "scp")
    scope_prefix: Annotated[str, Field(description="Taken off each scope that begins with it.")] = ""
    scope_names: Annotated[
        dict[str, str],
        Field(description="The provider's name of a scope, and ours: `Customers.Read` is customers:read."),
    ] = {}
    role_claims: Annotated[tuple[str, ...], Field(description="Claims with roles; all count.")] = ("roles",)
    role_names: Annotated[dict[str, str], Field(description="The provider's name of a role or group, and ours.")] = {}
    default_roles: Annotated[tuple[str, ...], Field(description="Of callers whose token has none.")] = ()
    acr_claims: Annotated[tuple[str, ...], Field(description="Claims that tell how somebody signed in.")] = ("acr",)
    acr_names: Annotated[
        dict[str, str], Field(description="The provider's words for that, and ours: aal1, aal2 or aal3.")
    ] = {}

    introspect: Annotated[
        Literal["never", "opaque", "always"],
        Field(description="Ask the provider (RFC 7662) about tokens that are no JWT, or about every token."),
    ] = "never"
    introspection_url: Annotated[str | None, Field(description="Default: from its metadata.")] = None
    introspection_cache_s: Annotated[float, Field(ge=0, le=60, description="How long an answer `active` is kept.")] = 10
    token_url: Annotated[str | None, Field(description="For token exchange. Default: from its metadata.")] = None
    client_id: Annotated[str | None, Field(description="What our servers are called there.")] = None
    client_secret: Annotated[SecretStr | None, Field(description="How they prove it: a secret,")] = None
    client_key: Annotated[
        Path | None, Field(description="or a file with a private key (JWK), for `private_key_jwt` (RFC 7523).")
    ] = None
