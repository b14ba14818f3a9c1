from collections.abc import Mapping
from typing import Any

import mcp_types as types
import structlog
from mcp.server.connection import Connection
from mcp.server.lowlevel import Server as SdkServer
from mcp.server.runner import ServerRunner, aclose_shielded
from mcp.shared.dispatcher import CallOptions
from mcp.shared.exceptions import NoBackChannelError
from mcp.shared.jsonrpc_dispatcher import handler_exception_to_error_data
from mcp_types.version import LATEST_HANDSHAKE_VERSION

from shared.core.errors import Internal
from shared.edge.sessions.exchange import Exchange
from shared.state.sessions import Session

log = structlog.get_logger("sessions")

_KNOWN_CLIENTS = 1000


class _Nowhere:
    """The channel of messages that belong to no request; what is told of changes goes another way."""

    async def send_raw_request(
        self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None
    ) -> dict[str, Any]:
        del params, opts
        raise NoBackChannelError(method)

    async def notify(self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None) -> None:
        del method, params, opts


_NOWHERE = _Nowhere()


class Handlers:
    """The handlers of one server, run for sessions: the SDK's kernel without its transport, which keeps sessions in
    one process.
    """

    def __init__(self, sdk: SdkServer[Any]) -> None:
        self._sdk = sdk
        self._options = sdk.create_initialization_options()
        self._clients: dict[str, types.InitializeRequestParams] = {}

    async def initialize(self, exchange: Exchange, message: dict[str, Any]) -> tuple[dict[str, Any], str]:
        """The JSON-RPC answer to `initialize`, and the version that was agreed on."""
        connection = Connection(_NOWHERE, protocol_version=LATEST_HANDSHAKE_VERSION)
        answer = await self._run(connection, exchange, message)
        return answer, connection.protocol_version

    async def answer(self, exchange: Exchange, message: dict[str, Any]) -> dict[str, Any]:
        """The JSON-RPC answer to any other request."""
        session = exchange.session
        client = self._client(session)
        connection = Connection(_NOWHERE, protocol_version=session.version, client_params=client)
        connection.initialized.set()
        return await self._run(connection, exchange, message)

    async def _run(self, connection: Connection, exchange: Exchange, message: dict[str, Any]) -> dict[str, Any]:
        runner = ServerRunner(self._sdk, connection, {}, init_options=self._options)
        try:
            result = await runner.on_request(exchange, message["method"], message.get("params"))
        except Exception as error:  # the boundary: no text leaves but what was meant to
            known = handler_exception_to_error_data(error)
            if known is None:
                log.exception("request crashed", method=message["method"])
                known = types.ErrorData(code=types.INTERNAL_ERROR, message=Internal().message)
            shown = known.model_dump(mode="json", by_alias=True, exclude_none=True)
            return {"jsonrpc": "2.0", "id": message["id"], "error": shown}
        finally:
            await aclose_shielded(connection)
        return {"jsonrpc": "2.0", "id": message["id"], "result": result}

    def _client(self, session: Session) -> types.InitializeRequestParams:
        """What the client said of itself; read once for as long as this replica remembers."""
        known = self._clients.get(session.handle)
        if known is None:
            known = types.InitializeRequestParams.model_validate(session.initialize, by_name=False)
            if len(self._clients) >= _KNOWN_CLIENTS:
                del self._clients[next(iter(self._clients))]
            self._clients[session.handle] = known
        return known
