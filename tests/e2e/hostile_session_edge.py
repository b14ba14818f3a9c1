"""The table of what is wrong with sessions of the 2025 era, over HTTP alone; see `hostile_edge.py` for its columns."""

# ruff: noqa: E501 - a row of the table is a line wherever it fits one

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tests.e2e.hostile_edge import HTTP_LEGACY, META, Row, Sent, call, raw, swap
from tests.harness import LEGACY

NO_SESSION: dict[str, Any] = {
    "code": -32600,
    "status": 400,
    "says": "Initialize first",
    "leaves": "counted customers/no_session",
}
NOT_FOUND: dict[str, Any] = {
    "code": -32600,
    "status": 404,
    "says": "Initialize again",
    "leaves": "counted customers/unknown_session",
}
INVALID: dict[str, Any] = {"code": -32600, "status": 400, "leaves": "counted customers/invalid_request"}
TAKEN: dict[str, Any] = {"code": None, "status": 202}
"""What needs no answer gets none, whatever it says."""

CLIENT = {"name": "hostile", "version": "1"}
INITIALIZE = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": CLIENT}
UNANSWERED = raw(b'{"jsonrpc": "2.0", "id": "ask-0", "result": {"action": "accept", "content": {"sure": true}}}')


def initialize(session: str = "none", params: Mapping[str, Any] | None = None) -> Sent:
    sent = {**INITIALIZE, **(params or {})}
    return Sent("initialize", sent, session=session, headers={"MCP-Protocol-Version": None})


def notified(method: str, params: Mapping[str, Any] | None = None, **sent: Any) -> Sent:
    """The same message without an id."""

    def spoil(content: bytes) -> bytes:
        return content.replace(b'"id": "row", ', b"", 1)

    return Sent(method, dict(params or {}), spoil=spoil, **sent)


def listing(session: str) -> Sent:
    return Sent(session=session)


def get(session: str = "own", **headers: str | None) -> Sent:
    stream = {"Accept": "text/event-stream", "Content-Type": None}
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return raw(b"", verb="GET", session=session, headers={**stream, **given})


def delete(session: str = "own", **sent: Any) -> Sent:
    return raw(b"", verb="DELETE", session=session, **sent)


FOREIGN = ("of another user", "of another client", "of another tenant")
MADE_UP = ("empty", "unknown", "over-long", "not ASCII", "of bytes", "with wildcards", "ended")
IDS = [
    *(Row(f"session none, {how}", sent, **NO_SESSION) for how, sent in (
        ("request", Sent(session="none")),
        ("call", call("get_customer", {"customer_id": "C-000001"}, session="none")),
        ("ping", Sent("ping", session="none")),
        ("notification", notified("notifications/initialized", session="none")),
        ("answer", raw(b'{"jsonrpc": "2.0", "id": 1, "result": {}}', session="none")),
        ("GET", get("none")),
        ("DELETE", delete("none")),
    )),
    *(Row(f"session {which}, {how}", sent(which), **NOT_FOUND) for which in MADE_UP + FOREIGN for how, sent in (
        ("request", listing),
        ("GET", get),
        ("DELETE", delete),
    )),
    *(Row(f"session of another user, {how}", sent, **NOT_FOUND) for how, sent in (
        ("write", call("create_customer", {"name": "Hostile", "segment": "consumer", "country": "DE"}, session="of another user")),
        ("cancelling", notified("notifications/cancelled", {"requestId": "row"}, session="of another user")),
        ("answer", raw(b'{"jsonrpc": "2.0", "id": "ask-0", "result": {"action": "accept"}}', session="of another user")),
        ("stream of theirs", get("of another user", Last_Event_ID="0123456789abcdef/1-1")),
    )),
    *(
        Row(f"session {which}, {how}", sent(which), **INVALID, says="one Mcp-Session-Id")
        for which in ("twice", "two")
        for how, sent in (("request", listing), ("GET", get), ("DELETE", delete))
    ),
    Row("session as in another tenant's token", Sent(session="of another tenant", token="of support"), **NOT_FOUND),
    Row("session without a token", Sent(token="none", session="of another client"), "invalid_token", 401, leaves="counted customers/missing"),
]  # fmt: skip

STREAMS = [
    Row("GET without Accept", get(Accept=None), -32600, 406, "text/event-stream", leaves="counted customers/not_acceptable"),
    Row("GET of JSON", get(Accept="application/json"), -32600, 406, "text/event-stream", leaves="counted customers/not_acceptable"),
    *(
        Row(f"GET after {name}", get(Last_Event_ID=after), -32600, 410, "Make the call again", leaves="call ok, counted customers/stream")
        for name, after in {
            "an event made up": "0123456789abcdef/1-1",
            "no event": "garbage",
            "nothing of a stream": "0123456789abcdef/",
            "a path": "../../etc/passwd",
            "a position that is none": "0123456789abcdef/abc",
            "a position beyond numbers": f"0123456789abcdef/{'9' * 400}-1",
            "an over-long event": "x" * 8000,
        }.items()
    ),
    Row("DELETE with a body", Sent(verb="DELETE", session="own, new"), None, 204, leaves="call ok"),
]  # fmt: skip

MESSAGES = [
    Row("answer to a question nobody asked", UNANSWERED, **TAKEN),
    Row("answer with a number for an id", raw(b'{"jsonrpc": "2.0", "id": 7, "result": {}}'), **TAKEN),
    Row("error to a question nobody asked", raw(b'{"jsonrpc": "2.0", "id": "ask-0", "error": {"code": -1, "message": "no"}}'), **TAKEN),
    Row("error to nobody", raw(b'{"jsonrpc": "2.0", "id": null, "error": {"code": -1, "message": "no"}}'), **TAKEN),
    Row("notification, unknown", notified("notifications/no/such"), **TAKEN),
    Row("notification, initialized twice", notified("notifications/initialized"), **TAKEN),
    Row("notification of a request's name", notified("tools/list"), **TAKEN),
    Row("notification, a call", notified("tools/call", {"name": "create_customer", "arguments": {"name": "Hostile", "segment": "consumer", "country": "DE"}}), **TAKEN),
    *(
        Row(f"cancelling, {name}", notified("notifications/cancelled", params), **TAKEN)
        for name, params in {
            "nothing that runs": {"requestId": "no-such"},
            "no id": {},
            "an object": {"requestId": {"a": 1}},
            "null": {"requestId": None},
            "a float": {"requestId": 1.5},
            "a truth": {"requestId": True},
        }.items()
    ),
    Row("batch of initialize", raw(b'[{"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {}}]', session="none"), **INVALID, says="batches are not taken"),
    Row("initialize as a notification", notified("initialize", INITIALIZE), **TAKEN),
    Row("initialize as a notification, no session", notified("initialize", INITIALIZE, session="none"), **NO_SESSION),
    *(
        Row(f"method of the other era, {method}", Sent(method), -32601, 200, "Method not found", leaves="counted customers/unknown_method")
        for method in ("server/discover", "subscriptions/listen")
    ),
    Row("method no server has", Sent("sampling/createMessage"), -32601, 200, "Method not found", leaves="counted customers/unknown_method"),
    Row("version of another session", Sent(headers={"MCP-Protocol-Version": "2025-06-18"}), "ok", leaves="call ok"),
    Row("version not said", Sent(headers={"MCP-Protocol-Version": None}), "ok", leaves="call ok"),
    Row("version nobody knows", Sent(headers={"MCP-Protocol-Version": "2025-99-99"}), -32602, 400, "_meta", leaves="counted customers/invalid_params"),
    Row("_meta of the other era, in a session", swap(b'"params": {', b'"params": {"_meta": {' + META + b'protocolVersion": "2026-07-28"}'), -32020, 400, "header", leaves="counted customers/header_mismatch"),
]  # fmt: skip

SPOILT: dict[str, dict[str, Any]] = {
    "version a number": {"protocolVersion": 7},
    "version missing": {"protocolVersion": None},
    "capabilities a list": {"capabilities": []},
    "elicitation a truth": {"capabilities": {"elicitation": True}},
    "client without a name": {"clientInfo": {}},
    "client a text": {"clientInfo": "hostile"},
}
BAD_PARAMS: dict[str, Any] = {"code": -32602, "status": 200, "says": "Invalid request parameters", "leaves": "counted customers/invalid_params"}  # fmt: skip
OPENS: dict[str, Any] = {"code": "ok", "opens": True, "leaves": "call ok"}
OPENINGS = [
    Row("initialize in a session", initialize("own"), **OPENS),
    Row("initialize with somebody else's session", initialize("of another user"), **OPENS),
    Row("initialize with a session made up", initialize("unknown"), **OPENS),
    *(
        Row(f"initialize with version {version}", initialize(params={"protocolVersion": version}), **OPENS, says='"protocolVersion":"2025-11-25"')
        for version in ("1999-01-01", "2099-01-01", "2026-07-28", "", "garbage")
    ),
    *(Row(f"initialize, {name}", initialize(params=params), **BAD_PARAMS) for name, params in SPOILT.items()),
    Row("initialize without a token", Sent("initialize", INITIALIZE, token="none", session="none"), "invalid_token", 401, leaves="counted customers/missing"),
]  # fmt: skip

SESSIONS = [replace(row, on=HTTP_LEGACY) for row in [*IDS, *STREAMS, *MESSAGES, *OPENINGS]]
