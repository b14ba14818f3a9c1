"""Settings of the lines to and from a process: who is on the other end, and that nobody reads along (docs/tls.md)."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from shared.core.errors import Misconfigured
from shared.core.words import Words

__all__ = ["Tls", "require_whole"]


class Tls(BaseModel):
    """How this process is reached: over HTTPS, once it has a certificate, and only by those whom it knows, once
    `client_ca` is set. Changed files are in force within seconds, without a restart (docs/tls.md).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    certificate: Annotated[
        Path | None, Field(description="PEM file of our certificate, and of those between it and its authority.")
    ] = None
    key: Annotated[Path | None, Field(description="PEM file of its private key, without a passphrase.")] = None
    client_ca: Annotated[
        Path | None,
        Field(description="PEM file of the authorities of whoever may connect, i.e. of the balancer; else anybody."),
    ] = None
    client_names: Annotated[
        Words,
        Field(description="Names that a client's certificate must have one of; none: any of those authorities."),
    ] = ()
    minimum: Annotated[
        Literal["1.2", "1.3"], Field(description="The oldest TLS spoken; 1.2 is for balancers that lack 1.3.")
    ] = "1.3"


HealthPort = Annotated[
    int | None,
    Field(
        ge=0,
        le=65535,
        description="Port of `/livez` and `/readyz` in plain HTTP, for probes that have no certificate to show.",
    ),
]
HealthHost = Annotated[str, Field(description="Address these listen on.")]
DatabaseCa = Annotated[
    Path | None,
    Field(
        description="PEM file of the authorities of PostgreSQL's certificate, which then must be theirs and for the "
        "host of the URL (`verify-full`)."
    ),
]
DatabaseCertificate = Annotated[
    Path | None, Field(description="PEM file of a certificate to show to PostgreSQL, if it asks for one.")
]
DatabaseKey = Annotated[Path | None, Field(description="PEM file of its private key.")]
DatabaseUnencrypted = Annotated[
    bool, Field(description="Yes, reach a PostgreSQL on another machine without knowing it to be the one.")
]
DatabasePooler = Annotated[
    Literal["none", "transaction"],
    Field(
        description="`transaction`: between us and PostgreSQL is PgBouncer with `pool_mode = transaction`, or another "
        "that lends a connection for one transaction (docs/managed-postgresql.md)."
    ),
]
DatabaseSessionUrl = Annotated[
    SecretStr | None,
    Field(
        description="The application role's, past the pooler: two connections of each process are its own as long as "
        "it runs. Needed with `database_pooler=transaction`."
    ),
]
RedisCa = Annotated[
    Path | None, Field(description="PEM file of the authorities of Redis's certificate, with a URL of `rediss://`.")
]
RedisCertificate = Annotated[Path | None, Field(description="PEM file of a certificate to show to Redis.")]
RedisKey = Annotated[Path | None, Field(description="PEM file of its private key.")]
RedisUnencrypted = Annotated[
    bool, Field(description="Yes, reach a Redis on another machine without knowing it to be the one.")
]


def require_whole(tls: Tls) -> None:
    """Refuse halves of a setting, which would quietly leave the other half out.

    Raises:
        Misconfigured: Names the setting.
    """
    if (tls.certificate is None) != (tls.key is None):
        raise Misconfigured("tls.certificate and tls.key go together (SUITE_TLS__CERTIFICATE, SUITE_TLS__KEY)")
    if tls.client_ca and not tls.certificate:
        raise Misconfigured("tls.client_ca asks clients for certificates, which needs SUITE_TLS__CERTIFICATE as well")
    if tls.client_names and not tls.client_ca:
        raise Misconfigured("tls.client_names are names in certificates of SUITE_TLS__CLIENT_CA, which is not set")
