"""The lines to PostgreSQL, Redis and the balancer (docs/tls.md)."""

from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from pydantic import SecretStr

from shared.core.loopback import is_loopback
from shared.core.rules.rule import Rule, in_production, told_by
from shared.core.tls_settings import require_whole

if TYPE_CHECKING:
    from shared.core.settings import Settings

_DATABASES = (
    "database_url",
    "database_session_url",
    "database_owner_url",
    "database_reader_url",
    "database_operator_url",
    "database_console_url",
)


def _plain_database(settings: "Settings") -> str | None:
    if settings.profile != "fleet" or settings.database_unencrypted:
        return None
    plain = [name for name, url in _databases(settings) if _unverified(url.get_secret_value(), settings)]
    return f"{', '.join(plain)}: on another machine, whose certificate is not verified" if plain else None


def _databases(settings: "Settings") -> Iterator[tuple[str, SecretStr]]:
    for name in _DATABASES:
        if url := getattr(settings, name):
            yield name, url
    for server, url in settings.domain_url.items():
        yield f"domain_url of {server}", url


def _unverified(url: str, settings: "Settings") -> bool:
    """Whether somebody between could answer in the database's place, or read along."""
    parts = urlsplit(url)
    said = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    host = parts.hostname or said.get("host", "")
    if not host or host.startswith("/") or is_loopback(host):
        return False
    theirs = any(url == each.get_secret_value() for each in settings.domain_url.values())
    default = "verify-full" if settings.database_ca and not theirs else ""
    return said.get("sslmode", default) != "verify-full"


def _plain_redis(settings: "Settings") -> str | None:
    if settings.profile != "fleet" or settings.redis_unencrypted or not settings.redis_url:
        return None
    parts = urlsplit(settings.redis_url.get_secret_value())
    if parts.scheme == "unix" or is_loopback(parts.hostname or ""):
        return None
    careless = parse_qs(parts.query).get("ssl_cert_reqs", ["required"]) != ["required"]
    if parts.scheme == "rediss" and not careless:
        return None
    return "redis_url: on another machine, whose certificate is not verified"


def _unused_redis_ca(settings: "Settings") -> str | None:
    url = settings.redis_url.get_secret_value() if settings.redis_url else ""
    unused = settings.redis_ca is not None and not url.startswith("rediss://")
    return "redis_ca is set, and redis_url is not rediss://: nothing would be encrypted" if unused else None


def _no_session(settings: "Settings") -> str | None:
    if settings.database_pooler == "none" or settings.database_session_url:
        return None
    return "database_pooler is transaction, and there is no database_session_url"


def _halves(settings: "Settings") -> str | None:
    for line in ("database", "redis"):
        certificate, key, authority = (getattr(settings, f"{line}_{part}") for part in ("certificate", "key", "ca"))
        if (certificate is None) != (key is None):
            return f"{line}_certificate and {line}_key go together"
        if certificate and not authority:
            return f"{line}_certificate is shown only to a server that is verified: {line}_ca is not set"
    return None


def _deaf_probes(settings: "Settings") -> str | None:
    if settings.profile != "fleet" or not settings.tls.client_ca or settings.health_port is not None:
        return None
    return "tls.client_ca is set, and there is no health_port: probes have no certificate to show"


def _on_purpose(settings: "Settings") -> str | None:
    said = [name for name in ("database_unencrypted", "redis_unencrypted") if getattr(settings, name)]
    return f"{', '.join(said)}: true" if said and in_production(settings) else None


RULES = (
    Rule(
        name="database-unencrypted",
        when="in a fleet PostgreSQL is on another machine, and not verified",
        reason="Anybody between could read and change every row, the audit included, or be the database.",
        remedy="Set SUITE_DATABASE_CA (your own database: sslmode=verify-full and sslrootcert in its URL), or say "
        "SUITE_DATABASE_UNENCRYPTED=true.",
        settings=("profile", *_DATABASES, "domain_url", "database_ca", "database_unencrypted"),
        found=_plain_database,
    ),
    Rule(
        name="redis-unencrypted",
        when="in a fleet Redis is on another machine, and not verified",
        reason="Its password would go in the clear; sessions could be ended, limits lifted.",
        remedy="Use rediss:// in SUITE_REDIS_URL, and SUITE_REDIS_CA; or say SUITE_REDIS_UNENCRYPTED=true.",
        settings=("profile", "redis_url", "redis_ca", "redis_unencrypted"),
        found=_plain_redis,
    ),
    Rule(
        name="redis-ca-unused",
        when="`redis_ca` is set, and `redis_url` is not rediss://",
        reason="The connection would be plain although an authority is named.",
        remedy="Write rediss:// in SUITE_REDIS_URL.",
        settings=("redis_ca", "redis_url"),
        found=_unused_redis_ca,
    ),
    Rule(
        name="unencrypted-on-purpose",
        when="in stage or prod `database_unencrypted` or `redis_unencrypted` is true",
        reason="Anybody between could read and change what is kept there.",
        remedy="Leave it out, and set SUITE_DATABASE_CA, or rediss:// and SUITE_REDIS_CA (docs/tls.md).",
        settings=("database_unencrypted", "redis_unencrypted", "environment"),
        found=_on_purpose,
        warns=True,
    ),
    Rule(
        name="tls-half",
        when="`tls.certificate` and `tls.key` are not both set, or `tls.client_ca` or `tls.client_names` lack what "
        "they need",
        reason="Half of a setting would quietly leave the other half out.",
        remedy="Set SUITE_TLS__CERTIFICATE and SUITE_TLS__KEY, and SUITE_TLS__CLIENT_CA for client certificates.",
        settings=("tls",),
        found=told_by(require_whole, lambda settings: settings.tls),
    ),
    Rule(
        name="client-certificate-half",
        when="a certificate for PostgreSQL or Redis lacks its key, or the authority of the other end",
        reason="It would quietly not be shown.",
        remedy="Set the certificate, the key and the authority together.",
        settings=("database_ca", "database_certificate", "database_key", "redis_ca", "redis_certificate", "redis_key"),
        found=_halves,
    ),
    Rule(
        name="pooler-without-session-url",
        when="`database_pooler` is transaction, and there is no `database_session_url`",
        reason="The audit's lock and word of changes need a session, which such a pooler does not keep.",
        remedy="Set SUITE_DATABASE_SESSION_URL to the application role's URL past the pooler.",
        settings=("database_pooler", "database_session_url"),
        found=_no_session,
    ),
    Rule(
        name="probes-without-certificate",
        when="in a fleet clients must show certificates, and there is no `health_port`",
        reason="Probes have none to show: the process would never be ready.",
        remedy="Set SUITE_HEALTH_PORT, and probe /livez and /readyz there.",
        settings=("profile", "tls", "health_port"),
        found=_deaf_probes,
        warns=True,
    ),
)
