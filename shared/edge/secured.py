"""Connections to us over TLS: with the certificates as they are now, and from those alone whom we know."""

import asyncio
import ssl
from typing import Any, cast

import structlog
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from shared.core import metrics
from shared.core.tls_settings import Tls
from shared.state.certificates import Renewed
from shared.state.lines import serving

log = structlog.get_logger("tls")


class Connection(HttpToolsProtocol):
    """One connection; its client's certificate has an accepted name, where names are set."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride] - as uvicorn's own
        super().connection_made(transport)
        accepted: frozenset[str] = getattr(self.config, "client_names", frozenset())
        if not accepted:
            return
        names = names_in(cast("dict[str, Any]", transport.get_extra_info("peercert") or {}))
        if not names & accepted:
            metrics.TLS_REFUSALS.add()
            log.warning("a client's certificate has none of SUITE_TLS__CLIENT_NAMES", names=sorted(names)[:5])
            transport.abort()


def secure(config: uvicorn.Config, tls: Tls) -> None:
    """Have a listener speak TLS, if it has a certificate."""
    line = serving(tls)
    if line is None:
        return

    def made(*_: object) -> ssl.SSLContext:
        return listening(line)

    config.ssl_context_factory = made
    config.client_names = frozenset(tls.client_names)  # pyright: ignore[reportAttributeAccessIssue] - see Connection


def listening(line: Renewed) -> ssl.SSLContext:
    """A context for a listener, which each handshake leaves for the newest one.

    OpenSSL asks for another as the client's first words come, whether or not they name a host (RFC 6066 §3).
    """
    first = line.context

    def newest(connection: ssl.SSLObject | ssl.SSLSocket, *_: object) -> None:
        if line.context is not first:
            connection.context = line.context

    first.sni_callback = newest  # pyright: ignore[reportAttributeAccessIssue] - the stub's type lacks SSLObject
    return first


def names_in(certificate: dict[str, Any]) -> frozenset[str]:
    """Those a certificate is for, and its common name, as `ssl.SSLSocket.getpeercert` tells them."""
    alternative = {value for _, value in certificate.get("subjectAltName", ())}
    common = {value for part in certificate.get("subject", ()) for name, value in part if name == "commonName"}
    return frozenset(alternative | common)
