"""The sink: aiosmtpd with what it lacks (PIPELINING in EHLO), a memory, and faults."""

import asyncio
import ssl
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any, cast

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from compose.smtp.faults import Faults, Stage

_SIZE_MAX = 32 * 2**20


@dataclass(frozen=True, slots=True)
class Kept:
    """One mail as it came."""

    number: int
    at: datetime
    sender: str
    recipients: tuple[str, ...]
    content: bytes = field(repr=False)
    encrypted: bool = False
    user: str | None = None
    answered: bool = True

    @property
    def message(self) -> EmailMessage:
        return message_from_bytes(self.content, policy=default)

    @property
    def message_id(self) -> str:
        return str(self.message["Message-ID"] or "").strip()


@dataclass
class Sink:
    """What runs.

    Attributes:
        mails: The last ones, the oldest first.
        connections: How many were made.
    """

    host: str = "127.0.0.1"
    port: int = 0
    most: int = 200
    faults: Faults = field(default_factory=Faults)
    pipelining: bool = True
    utf8: bool = True
    eight_bit: bool = True
    size: int = _SIZE_MAX
    tls: ssl.SSLContext | None = None
    users: dict[str, str] = field(default_factory=dict[str, str], repr=False)
    mails: "deque[Kept]" = field(init=False)
    connections: int = 0
    commands: list[str] = field(default_factory=list[str])
    _number: int = 0
    _server: asyncio.Server | None = None
    _open: set[asyncio.Transport] = field(default_factory=set[asyncio.Transport])

    def __post_init__(self) -> None:
        self.mails = deque(maxlen=self.most)

    def found(self, number: int) -> Kept | None:
        return next((mail for mail in self.mails if mail.number == number), None)

    async def start(self) -> None:
        """Listen, where it did before if it was stopped."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._protocol, self.host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close every connection and listen no more."""
        if self._server is not None:
            self._server.close()
            for transport in list(self._open):
                transport.abort()
            await self._server.wait_closed()
            self._server = None

    def keep(self, session: Session, envelope: Envelope, *, answered: bool) -> None:
        self._number += 1
        recipients = tuple(str(one) for one in envelope.rcpt_tos)
        content = bytes(cast("bytes", envelope.original_content))
        known = cast("LoginPassword | None", session.auth_data)
        user = known.login.decode() if known else None
        at, encrypted = datetime.now(UTC), session.ssl is not None
        sender = str(envelope.mail_from or "")
        self.mails.append(Kept(self._number, at, sender, recipients, content, encrypted, user, answered))

    def opened(self, transport: asyncio.Transport) -> None:
        self.connections += 1
        self._open.add(transport)

    def closed(self, transport: asyncio.Transport) -> None:
        self._open.discard(transport)

    def _protocol(self) -> asyncio.Protocol:
        return _Protocol(
            _Handler(self),
            sink=self,
            loop=asyncio.get_running_loop(),
            hostname="sink.localhost",
            ident="delivers nothing",
            data_size_limit=self.size,
            enable_SMTPUTF8=self.utf8,
            tls_context=self.tls,
            auth_required=bool(self.users),
            auth_require_tls=self.tls is not None,
            authenticator=self._sign_in,
        )

    def _sign_in(self, _server: SMTP, _session: Session, _envelope: Envelope, _how: str, data: Any) -> AuthResult:
        known = isinstance(data, LoginPassword) and self.users.get(data.login.decode()) == data.password.decode()
        return AuthResult(success=known, handled=False, auth_data=data)


class _Protocol(SMTP):
    """One connection."""

    def __init__(self, handler: "_Handler", *, sink: Sink, **told: Any) -> None:
        super().__init__(handler, **told)
        self._sink = sink
        self._connected: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if self._connected is None:  # else it is the same one, encrypted by now
            self._connected = cast("asyncio.Transport", transport)
            self._sink.opened(self._connected)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        if self._connected is not None:
            self._sink.closed(self._connected)
        super().connection_lost(error)

    async def push(self, status: Any) -> None:
        said = status if isinstance(status, str) else bytes(status).decode()
        if said.startswith("220 sink") and (wrong := self._sink.faults.replies.get("greeting")):
            said = wrong
        await super().push(said)

    async def smtp_DATA(self, arg: str | None) -> None:  # noqa: N802 - aiosmtpd's name
        if wrong := self._sink.faults.replies.get("DATA"):
            await self.push(wrong)
        else:
            await super().smtp_DATA(arg)  # pyright: ignore[reportArgumentType] - its decorator's word is None too

    def drop(self) -> None:
        if self._connected is not None:
            self._connected.abort()


class _Handler:
    """The hooks of aiosmtpd; each answers what the faults say, or yes."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    def _wrong(self, stage: Stage) -> str | None:
        return self._sink.faults.replies.get(stage)

    async def handle_EHLO(  # noqa: N802 - aiosmtpd's name
        self, _server: SMTP, session: Session, _envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        self._sink.commands.append("EHLO")
        session.host_name = hostname
        if wrong := self._wrong("EHLO"):
            return [wrong]
        if not self._sink.eight_bit:
            responses = [line for line in responses if "8BITMIME" not in line]
        return [*responses[:-1], *(["250-PIPELINING"] if self._sink.pipelining else []), responses[-1]]

    async def handle_MAIL(  # noqa: N802 - aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        self._sink.commands.append(" ".join(["MAIL", *options]))
        if wrong := self._wrong("MAIL"):
            return wrong
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        self._sink.commands.append("RCPT")
        if wrong := self._sink.faults.recipients.get(address) or self._wrong("RCPT"):
            return wrong
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_RSET(self, _server: SMTP, _session: Session, _envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        self._sink.commands.append("RSET")
        return "250 OK"

    async def handle_DATA(self, server: _Protocol, session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        self._sink.commands.append("text")
        if self._sink.faults.wait_s:
            await asyncio.sleep(self._sink.faults.wait_s)
        if wrong := self._wrong("text"):
            return wrong
        content = bytes(cast("bytes", envelope.original_content))
        named = message_from_bytes(content, policy=default)["Message-ID"]
        end = self._sink.faults.ends(str(named or "").strip())
        if end != "drop_lost":
            self._sink.keep(session, envelope, answered=end is None)
        if end is not None:
            server.drop()
        return "250 Kept, and delivered to nobody"


@asynccontextmanager
async def open_sink(sink: Sink | None = None) -> AsyncGenerator[Sink]:
    """A sink that listens, for as long as the context lasts."""
    sink = sink or Sink()
    await sink.start()
    try:
        yield sink
    finally:
        await sink.stop()
