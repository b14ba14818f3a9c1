"""Settings of who may call."""

from typing import Annotated

from pydantic import Field

from shared.core.issuers import Issuer
from shared.core.words import Words

IssuerUrl = Annotated[str | None, Field(description="Issuer of access tokens; default: the mock provider.")]
JwksUrl = Annotated[str | None, Field(description="Default: from the issuer's metadata (RFC 8414).")]
TokenAlgorithms = Annotated[Words, Field(description="Accepted signature algorithms; asymmetric only.")]
TokenMaxLifetime = Annotated[int, Field(ge=60, le=86_400, description="exp - iat beyond this is refused.")]
ClockSkew = Annotated[int, Field(ge=0, le=300, description="How far clocks may differ.")]
TenantClaim = Annotated[str, Field(description="Claim of the token that names the tenant.")]
Issuers = Annotated[dict[str, Issuer], Field(description="Several issuers, or more to say of one (below).")]
