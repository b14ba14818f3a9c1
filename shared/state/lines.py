"""The contexts of a process's lines: who it says it is, and whom it believes (docs/tls.md)."""

import ssl
from functools import cache
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

from shared.core.settings import Settings
from shared.core.tls_settings import Tls
from shared.state.certificates import Renewed

_OLDEST = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


def lines_of(settings: Settings) -> list[Renewed]:
    """Those that are not plain: of whoever connects to us, to PostgreSQL, to Redis.

    Raises:
        Misconfigured: Files that cannot be used.
    """
    database = trusting("database", settings.database_ca, settings.database_certificate, settings.database_key)
    return [line for line in (serving(settings.tls), database, towards_redis(settings)) if line is not None]


def towards_redis(settings: Settings) -> Renewed | None:
    return trusting("redis", settings.redis_ca, settings.redis_certificate, settings.redis_key)


def serving(tls: Tls) -> Renewed | None:
    """For connections to us.

    Nobody resumes a session: a certificate that has ended, or whose authority was taken away, would count on in it.
    """
    if tls.certificate is None or tls.key is None:
        return None
    return _serving(tls.certificate, tls.key, tls.client_ca, _OLDEST[tls.minimum])


@cache
def _serving(certificate: Path, key: Path, client_ca: Path | None, oldest: ssl.TLSVersion) -> Renewed:
    def made() -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = oldest
        context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_RENEGOTIATION
        context.num_tickets = 0
        context.load_cert_chain(certificate, key)
        if client_ca is not None:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(client_ca)
        return context

    uses = {"server": certificate, **({"client_ca": client_ca} if client_ca else {})}
    return Renewed(made, uses, [key])


@cache
def trusting(name: str, authorities: Path | None, certificate: Path | None, key: Path | None) -> Renewed | None:
    """For connections of ours to a host that must show a certificate of these authorities, for its name.

    Whoever asks for the same gets the same, so that it is looked after once.
    """
    if authorities is None:
        return None

    def made() -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_verify_locations(authorities)
        if certificate is not None:
            context.load_cert_chain(certificate, key)
        return context

    uses = {f"{name}_ca": authorities, **({f"{name}_client": certificate} if certificate else {})}
    return Renewed(made, uses, [key] if key else [])


def verified(url: str, settings: Settings) -> str:
    """A DSN that says, in libpq's words, how PostgreSQL is known; one that says so itself stays as it is."""
    parts = urlsplit(url)
    said = parse_qsl(parts.query, keep_blank_values=True)
    if not url or settings.database_ca is None or "sslmode" in dict(said):
        return url
    said += [("sslmode", "verify-full"), ("sslrootcert", str(settings.database_ca))]
    if settings.database_certificate and settings.database_key:
        said += [("sslcert", str(settings.database_certificate)), ("sslkey", str(settings.database_key))]
    return parts._replace(query=urlencode(said)).geturl()


def database_context(url: str) -> ssl.SSLContext | None:
    """The context for one more connection, where a DSN is as `verified` makes them; else its words are the driver's."""
    said = dict(parse_qsl(urlsplit(url).query))
    if said.get("sslmode") != "verify-full" or "sslrootcert" not in said or "sslcrl" in said:
        return None
    certificate, key = (Path(said[name]) if name in said else None for name in ("sslcert", "sslkey"))
    found = trusting("database", Path(said["sslrootcert"]), certificate, key)
    return found.newest() if found else None
