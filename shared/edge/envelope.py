"""What one message of JSON-RPC 2.0 looks like, checked before the SDK, whose two eras differ on what does not."""

from typing import Any, cast

import mcp_types as types
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS

from shared.core.errors import SuiteError


class Refused(SuiteError):
    """No message we take.

    Attributes:
        reason: The word it is counted under.
        code: JSON-RPC's.
        status: HTTP's.
        message_id: The request's, where it could be told; the answer repeats it (JSON-RPC 2.0 §5).
        answerable: False for a spoilt answer: two peers that answer each other's errors never stop.
    """

    def __init__(
        self, reason: str, code: int, status: int, said: str, message_id: Any = None, *, answerable: bool = True
    ) -> None:
        super().__init__(said)
        self.reason = reason
        self.code = code
        self.status = status
        self.message_id = message_id
        self.answerable = answerable


def check(message: Any) -> None:
    """Refuse what is no single request, notification or answer (JSON-RPC 2.0 §4 and §5; MCP has no batches).

    Raises:
        Refused: With `-32600`.
    """
    if not isinstance(message, dict):
        raise _invalid("Send one JSON-RPC message, an object; batches are not taken")
    given = cast("dict[str, Any]", message)
    message_id = given.get("id") if _is_id(given.get("id")) else None
    if given.get("jsonrpc") != "2.0":
        raise _invalid('A message says "jsonrpc": "2.0"', message_id)
    if "method" not in given:
        _check_answer(given, message_id)
    elif not isinstance(given["method"], str):
        raise _invalid("The method of a request is a string", message_id)
    elif "id" in given and message_id is None:
        raise _invalid("The id of a request is a string or an integer")
    elif not isinstance(given.get("params"), dict | None):
        raise _invalid("The params of a request are an object", message_id)


def check_version(message: dict[str, Any], header: str | None) -> None:
    """Refuse a request whose body states another version than its header: each would be served as another era's.

    The SDK chooses the era by the header alone, and compares only once that names the modern one.

    Raises:
        Refused: With `-32020` (MCP 2026-07-28, streamable-http, server validation).
    """
    if header is not None and header not in HANDSHAKE_PROTOCOL_VERSIONS:
        return
    params: Any = message.get("params")
    meta: Any = params.get("_meta") if isinstance(params, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    if "id" not in message or message.get("method") == "initialize" or not isinstance(meta, dict):
        return
    if cast("dict[str, Any]", meta).get(types.PROTOCOL_VERSION_META_KEY, header) != header:
        said = "The MCP-Protocol-Version header is missing, or is not the protocol version that params._meta states"
        raise Refused("header_mismatch", types.HEADER_MISMATCH, 400, said, message["id"])


def _check_answer(given: dict[str, Any], message_id: Any) -> None:
    if "result" not in given and "error" not in given:
        raise _invalid("A message has a method, a result or an error", message_id)
    if ("result" in given) == ("error" in given) or not (_is_result(given) or _is_error(given)):
        raise Refused(*_INVALID, "An answer has an id, and either a result or an error", answerable=False)


def _is_result(given: dict[str, Any]) -> bool:
    return _is_id(given.get("id")) and isinstance(given.get("result"), dict)


def _is_error(given: dict[str, Any]) -> bool:
    """Its id is null where the request's could not be told (JSON-RPC 2.0 §5)."""
    match given.get("error"):
        case {"code": int(), "message": str()}:
            return given.get("id") is None or _is_id(given["id"])
        case _:
            return False


def _is_id(value: Any) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool)


_INVALID = ("invalid_request", types.INVALID_REQUEST, 400)


def _invalid(said: str, message_id: Any = None) -> Refused:
    return Refused(*_INVALID, said, message_id)
