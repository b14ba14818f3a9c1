"""From a name to a relay that is ready for mails: TLS before anything is said, EHLO, login."""

import asyncio
import ssl
from collections.abc import Callable
from typing import cast

import aiosmtplib

from shared.core.smtp_settings import Smtp
from shared.edge.outbound.smtp.connection import Connection
from shared.edge.outbound.smtp.outcomes import Reply, Trouble, Unreachable
from shared.edge.outbound.smtp.wire import Offers

_REPLY_MAX = 16 * 1024


def tls_context(smtp: Smtp) -> ssl.SSLContext | None:
    """Certificates are checked, whatever is set; `ca_file` says by which authorities.

    Raises:
        OSError: The file cannot be read.
    """
    return None if smtp.security == "none" else ssl.create_default_context(cafile=smtp.ca_file)


async def connect(smtp: Smtp, tls: ssl.SSLContext | None, clock: Callable[[], float]) -> Connection:
    """A connection that is ready for mails.

    Raises:
        Unreachable: It cannot be had; encryption that was asked for is never gone without.
    """
    client = aiosmtplib.SMTP(
        hostname=smtp.host,
        port=smtp.reached_at,
        username=smtp.username,
        password=smtp.password.get_secret_value() if smtp.password else None,
        local_hostname=smtp.ehlo,
        timeout=smtp.connect_s,
        use_tls=smtp.security == "tls",
        start_tls=smtp.security == "starttls",
        tls_context=tls,
    )
    try:
        async with asyncio.timeout(smtp.connect_s):
            await client.connect()
            if client.is_ehlo_or_helo_needed:
                await client.ehlo()
        return _taken_over(client, clock)
    except BaseException as error:  # cancellation too: no half-open connection is left behind
        client.close()
        if isinstance(error, Exception):
            raise _unreachable(error, smtp) from error
        raise


def _taken_over(client: aiosmtplib.SMTP, clock: Callable[[], float]) -> Connection:
    """What aiosmtplib connected, with our reader and writer on it: a relay says nothing until it is asked."""
    transport = cast("asyncio.Transport | None", client.transport)  # uvloop's are no subclasses
    if transport is None or transport.is_closing():
        raise ConnectionError("the relay closed the connection")
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=_REPLY_MAX, loop=loop)
    protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
    transport.set_protocol(protocol)
    protocol.connection_made(transport)
    writer = asyncio.StreamWriter(transport, protocol, reader, loop)
    return Connection(reader, writer, Offers.of(client.esmtp_extensions), client, clock)


def _unreachable(error: Exception, smtp: Smtp) -> Unreachable:
    trouble, what = _trouble(error, smtp)
    return Unreachable(trouble, f"{smtp.host}:{smtp.reached_at} {what}")


def _trouble(error: Exception, smtp: Smtp) -> tuple[Trouble, str]:
    if (wrong := _tls_error(error)) is not None:
        return "tls", f"has no TLS that we trust ({wrong})"
    found: tuple[Trouble, str] = ("protocol", f"does not speak SMTP as we do ({type(error).__name__})")
    match error:
        case aiosmtplib.SMTPAuthenticationError(code=code, message=message):
            found = "login", f"refused our login: {Reply.of(code, [message])}"
        case aiosmtplib.SMTPResponseException(code=code, message=message):
            found = "busy", f"said: {Reply.of(code, [message])}"
        case TimeoutError():
            found = "timeout", f"was not ready within {smtp.connect_s:g} s"
        case aiosmtplib.SMTPServerDisconnected() | OSError():
            found = "refused", "cannot be connected to"
        case aiosmtplib.SMTPException(message=said) if "STARTTLS" in said:
            found = "tls", "does not offer STARTTLS, and without it nothing is said"
        case aiosmtplib.SMTPException(message=said) if "auth" in said.lower():
            found = "login", "offers no login that we know"
        case _:
            pass
    return found


def _tls_error(error: BaseException | None) -> str | None:
    """What TLS says is wrong, however deep it is."""
    while error is not None:
        if isinstance(error, ssl.SSLError):
            return getattr(error, "verify_message", None) or error.reason or "the handshake failed"
        error = error.__cause__ or error.__context__
    return None
