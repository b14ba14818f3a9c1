"""THE TABLE: what the edge answers to every kind of bad input, and what it writes down. `test_hostile_edge.py` plays it.

A cell that differs from place to place names them: `http`, `stdio`, `modern` (2026-07-28), `legacy` (2025-11-25, over
HTTP in a session), or `http-legacy` beside the others.

    name     what is wrong
    sends    a good request, but for what is said here
    code     JSON-RPC's code, the word of a typed error (a result with isError), or OAuth's error; None: no such body
    status   HTTP's
    says     part of the answer's text
    headers  HTTP's, word for word; None: there is none
    opens    whether the answer opens a session
    leaves   every record of the audit, in order, as kind and outcome; `counted` is a refusal counted by server and reason
    on       the places it can happen at
    amid     what is wrong with the world meanwhile
    world    little is allowed in the `tight` one, and the issuer's keys cannot be had in the `keyless` one
"""

# ruff: noqa: E501 - a row of the table is a line wherever it fits one

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from shared.steps.challenges import ADVICE
from tests.e2e.hostile_amid import (
    NEW,
    Amid,
    another_querys_cursor,
    another_tenants_customer,
    another_tenants_resource,
    audit_away,
    broken,
    database_away,
    key_taken,
    locked,
    moved_on,
    outcomes_away,
    peace,
    redis_gone,
    somebody_elses_cursor,
    spent,
    spent_on,
    twin,
)
from tests.e2e.hostile_world import Place

Cell = Any
"""A value, or a mapping of transports or eras to values."""

HTTP = tuple(Place("http", era) for era in ("modern", "legacy"))
STDIO = tuple(Place("stdio", era) for era in ("modern", "legacy"))
EVERYWHERE = HTTP + STDIO
HTTP_MODERN, HTTP_LEGACY = HTTP[:1], HTTP[1:]
MODERN = (HTTP[0], STDIO[0])


def cell(value: Any, place: Place) -> Any:
    """What a cell says of one place."""
    if isinstance(value, Mapping):
        given: Mapping[str, Any] = value  # pyright: ignore[reportUnknownVariableType]
        return given.get(str(place), given.get(place.transport, given.get(place.era)))
    return value


def unspoilt(content: bytes) -> bytes:
    return content


@dataclass(frozen=True)
class Sent:
    """A good `tools/list` of a manager, but for what is said.

    Attributes:
        token: Which one (`hostile_tokens.py`), over HTTP.
        session: Which one (`hostile_sessions.py`), over HTTP in the older era.
        headers: Instead of the good ones; None leaves one out.
        spoil: What is done to the body, or the line.
        silent: Over stdio nothing is answered.
    """

    method: str = "tools/list"
    params: Mapping[str, Any] = field(default_factory=dict[str, Any])
    token: str = "of a manager"
    session: str = "own"
    headers: Mapping[str, str | None] = field(default_factory=dict[str, "str | None"])
    spoil: Callable[[bytes], bytes] = unspoilt
    verb: str = "POST"
    chunked: bool = False
    silent: bool = False


@dataclass(frozen=True)
class Row:
    name: str
    sends: Sent
    code: Cell
    status: Cell = 200
    says: Cell = ""
    headers: Mapping[str, Cell] = field(default_factory=dict[str, Cell])
    opens: bool = False
    leaves: Cell = "nothing"
    on: tuple[Place, ...] = EVERYWHERE
    amid: Amid = peace
    world: str = "open"


def call(tool: str, arguments: Mapping[str, Any] | None = None, **sent: Any) -> Sent:
    return Sent("tools/call", {"name": tool, "arguments": dict(arguments or {})}, **sent)


def read(uri: str) -> Sent:
    return Sent("resources/read", {"uri": uri})


def raw(content: bytes, **sent: Any) -> Sent:
    return Sent(spoil=lambda _: content, **sent)


def swap(old: bytes, new: bytes, **sent: Any) -> Sent:
    """A good request with one part exchanged."""

    def spoil(content: bytes) -> bytes:
        assert old in content, f"{old!r} is not in {content!r}"
        return content.replace(old, new, 1)

    return Sent(spoil=spoil, **sent)


def added(value: bytes) -> Sent:
    return swap(b'{"jsonrpc"', b'{"added": ' + value + b', "jsonrpc"')


def headers(**given: str | None) -> Sent:
    return Sent(headers={name.replace("_", "-"): value for name, value in given.items()})


CUSTOMER = {"customer_id": "C-000001"}
WRITE = call("create_customer", {**NEW, "idempotency_key": "hostile-write-1"})
MERGE = {"keep_id": "C-000001", "keep_version": 1, "duplicate_id": "C-000002", "duplicate_version": 1}
GET = call("get_customer", CUSTOMER)
CHALLENGED = 'resource_metadata="{metadata}", scope="customers:read"'
META = b'"io.modelcontextprotocol/'
SPOILT_ID = b'"id": "row"'


def token(name: str, reason: str, *, told: bool = True) -> Row:
    """A 401, whose challenge names an error unless no bearer token was sent (RFC 6750 §3.1)."""
    error = f'error="invalid_token", error_description="{ADVICE[reason]}", ' if told else ""
    return Row(
        f"token {name}",
        Sent(token=name),
        code="invalid_token",
        status=401,
        says=ADVICE[reason],
        headers={"WWW-Authenticate": f"Bearer {error}{CHALLENGED}", "Cache-Control": "no-store"},
        leaves=f"counted customers/{reason}",
        on=HTTP,
    )


TOKENS = [
    token("none", "missing", told=False),
    token("of another scheme", "scheme", told=False),
    token("no JWT", "malformed"),
    token("alg none, no signature", "malformed"),
    token("alg none", "algorithm"),
    token("key confusion", "algorithm"),
    token("unknown kid", "key"),
    token("false signature", "signature"),
    token("of another issuer", "issuer"),
    token("of another type", "type"),
    token("for another audience", "audience"),
    token("expired", "expired"),
    token("not yet valid", "not_yet_valid"),
    token("for a year", "lifetime"),
    token("without a tenant", "claims"),
]

ALLOWED = {"Allow": {"modern": "POST", "legacy": "GET, POST, DELETE"}, "WWW-Authenticate": None}
REQUESTS = [
    *(Row(f"{verb}", Sent(verb=verb), code=None, status=405, headers=ALLOWED, on=HTTP) for verb in ("HEAD", "PUT", "PATCH", "TRACE")),
    *(Row(f"{verb}", Sent(verb=verb), code=None, status=405, headers=ALLOWED, on=HTTP_MODERN) for verb in ("GET", "DELETE")),
    Row("Host of another", headers(Host="evil.example"), None, 421, "SUITE_ALLOWED_HOSTS", leaves="counted edge/host", on=HTTP),
    Row(
        "Origin of another",
        headers(Origin="https://evil.example"),
        code=None,
        status=403,
        says="SUITE_ALLOWED_ORIGINS",
        headers={"Access-Control-Allow-Origin": None, "WWW-Authenticate": None},
        leaves="counted edge/origin",
        on=HTTP,
    ),
    *(
        Row(name, headers(**given), -32600, 415, "application/json", leaves="counted customers/media_type", on=HTTP)
        for name, given in {
            "Content-Type text": {"Content_Type": "text/plain"},
            "Content-Type missing": {"Content_Type": None},
            "Content-Encoding": {"Content_Encoding": "gzip"},
        }.items()
    ),
    *(
        Row(name, headers(Accept=accept), -32600, 406, "Accept:", leaves="counted customers/not_acceptable", on=HTTP)
        for name, accept in {"Accept HTML": "text/html", "Accept empty": ""}.items()
    ),
    *(
        Row(
            f"body too large, {how}",
            raw(b" " * (2**20 + 1), chunked=how == "chunked"),
            code=-32600,
            status=413,
            says="exceeds 1048576 bytes",
            leaves="counted customers/too_large",
            on=HTTP,
        )
        for how in ("declared", "chunked")
    ),
    Row("line too long", raw(b"x" * 2**21), -32600, says="SUITE_BODY_LIMIT_BYTES", leaves="counted customers/too_large", on=STDIO),
]  # fmt: skip


def malformed(name: str, sent: Sent, says: str, on: tuple[Place, ...] = EVERYWHERE) -> Row:
    return Row(name, sent, -32700, 400, f"Parse error: {says}", leaves="counted customers/malformed", on=on)


def invalid(name: str, sent: Sent, says: str, **row: Any) -> Row:
    return Row(name, sent, -32600, 400, says, leaves="counted customers/invalid_request", **row)


RETRY = "etry in a moment"
NOT_JSON = "not valid JSON"
JSON = [
    malformed("empty body", raw(b""), NOT_JSON, HTTP),
    Row("empty line", raw(b"", silent=True), code=None, on=STDIO),
    malformed("no JSON", raw(b"hello"), NOT_JSON),
    malformed("half of it", Sent(spoil=lambda good: good[:-9]), NOT_JSON),
    malformed("duplicate keys", swap(b'"method"', b'"method": "ping", "method"'), NOT_JSON),
    malformed("duplicate keys, deep", added(b'{"b": 1, "b": 2}'), NOT_JSON),
    malformed("nested too deep", added(b"[" * 99 + b"]" * 99), "nested"),
    malformed("nested far too deep", raw(b"[" * 100_000), "nested too deep"),
    malformed("NaN", added(b"NaN"), NOT_JSON),
    malformed("1e999", added(b"1e999"), NOT_JSON),
    malformed("integer of 5000 digits", added(b"9" * 5000), NOT_JSON),
    malformed("half a surrogate pair", added(b'"\\ud800"'), "text with half"),
    malformed("no UTF-8", added(b'"\xff"'), "not UTF-8"),
    malformed("UTF-16", Sent(spoil=lambda good: good.decode().encode("utf-16")), "not UTF-8", HTTP),
    malformed("byte order mark", Sent(spoil=lambda good: b"\xef\xbb\xbf" + good), NOT_JSON),
    invalid("batch", Sent(spoil=lambda good: b"[" + good + b"]"), "batches are not taken"),
    invalid("empty batch", raw(b"[]"), "batches are not taken"),
    invalid("null", raw(b"null"), "Send one JSON-RPC message"),
    invalid("text", raw(b'"tools/list"'), "Send one JSON-RPC message"),
    invalid("empty object", raw(b"{}"), '\\"jsonrpc\\": \\"2.0\\"'),
    invalid("jsonrpc 1.0", swap(b'"2.0"', b'"1.0"'), '\\"jsonrpc\\": \\"2.0\\"'),
    invalid("no method", swap(b'"method"', b'"methods"'), "a method, a result or an error"),
    invalid("method a number", swap(b'"tools/list"', b"7"), "method of a request is a string"),
    invalid("params a list", raw(b'{"jsonrpc": "2.0", "id": "row", "method": "ping", "params": []}'), "params of a request"),
    *(
        invalid(f"id {given.decode()}", swap(SPOILT_ID, b'"id": ' + given), "id of a request is a string or an integer")
        for given in (b"null", b"{}", b"1.5", b"true")
    ),
    invalid("spoilt answer", raw(b'{"jsonrpc": "2.0", "id": 1, "result": 7}'), "An answer has an id", on=HTTP),
    Row(
        "spoilt answer, over stdio",
        raw(b'{"jsonrpc": "2.0", "id": 1, "error": {"code": "7"}}', silent=True),
        code=None,
        leaves="counted customers/invalid_request",
        on=STDIO,
    ),
]  # fmt: skip


def mismatch(name: str, sent: Sent, on: tuple[Place, ...] = HTTP_MODERN) -> Row:
    return Row(name, sent, -32020, 400, "header", leaves="counted customers/header_mismatch", on=on)


def calling(**given: str | None) -> Sent:
    return call("get_customer", CUSTOMER, headers={name.replace("_", "-"): value for name, value in given.items()})


UNCOUNTED = {"http": "counted customers/invalid_params", "stdio": "nothing"}
ENVELOPES = [
    mismatch("Mcp-Method of another", headers(Mcp_Method="tools/call")),
    mismatch("Mcp-Method missing", headers(Mcp_Method=None)),
    mismatch("Mcp-Name of another", calling(Mcp_Name="search_customers")),
    mismatch("Mcp-Name missing", calling(Mcp_Name=None)),
    mismatch("Mcp-Name no base64", calling(Mcp_Name="=?base64?!?=")),
    mismatch("MCP-Protocol-Version of another", headers(MCP_Protocol_Version="2099-01-01")),
    mismatch("MCP-Protocol-Version of the other era", headers(MCP_Protocol_Version="2025-11-25")),
    mismatch("MCP-Protocol-Version missing", headers(MCP_Protocol_Version=None)),
    mismatch("_meta of another version", swap(b'"2026-07-28"', b'"2025-11-25"')),
    mismatch("_meta of the other era", swap(b'"params": {', b'"params": {"_meta": {' + META + b'protocolVersion": "2026-07-28"}'), HTTP_LEGACY),
    Row(
        "unsupported version",
        swap(b'"2026-07-28"', b'"2099-01-01"', headers={"MCP-Protocol-Version": "2099-01-01"}),
        code=-32022,
        status=400,
        says='"supported":["2026-07-28"],"requested":"2099-01-01"',
        leaves={"http": "counted customers/unsupported_version", "stdio": "nothing"},
        on=MODERN,
    ),
    Row("unsupported version, 2025", headers(MCP_Protocol_Version="2024-01-01"), -32602, 400, "_meta", leaves="counted customers/invalid_params", on=HTTP_LEGACY),
    *(
        Row(f"_meta without {key}", swap(META + key.encode(), META + b"x"), -32602, 400, key, leaves=UNCOUNTED, on=MODERN)
        for key in ("protocolVersion", "clientCapabilities")
    ),
    Row("no _meta", swap(b'"_meta"', b'"meta"'), -32602, 400, "_meta", leaves=UNCOUNTED, on=MODERN),
    Row(
        "unknown method",
        Sent("no/such/method"),
        code=-32601,
        status={"modern": 404, "legacy": 200},
        says="Method not found",
        leaves={"http": "counted customers/unknown_method", "stdio": "nothing"},
    ),
    Row(
        "arguments a list",
        Sent("tools/call", {"name": "get_customer", "arguments": []}),
        code=-32602,
        status={"modern": 400, "legacy": 200},
        says="Invalid request parameters",
        leaves=UNCOUNTED,
    ),
]  # fmt: skip

UNKNOWN: dict[str, Any] = {"code": -32602, "status": {"modern": 400, "legacy": 200}}
CURSOR: dict[str, Any] = {**UNKNOWN, "says": "start again without one", "leaves": "call invalid_cursor"}
SEARCH = call("search_customers", {"query": "an", "limit": 1})
NAMES = [
    *(
        Row(f"{method}, bad cursor", Sent(method, {"cursor": "garbage"}), **CURSOR)
        for method in ("tools/list", "resources/list")
    ),
    Row("tool's cursor, garbage", call("search_customers", {"query": "an", "cursor": "garbage"}), **CURSOR),
    Row("tool's cursor, somebody else's", SEARCH, **CURSOR, amid=somebody_elses_cursor),
    Row("tool's cursor, another query's", SEARCH, **CURSOR, amid=another_querys_cursor),
    Row("unknown tool", call("no_such_tool"), **UNKNOWN, says="Unknown tool: no_such_tool", leaves="call unknown_target"),
    Row("tool by a path", call("../get_customer"), **UNKNOWN, says="Unknown tool", leaves="call unknown_target"),
    *(
        Row(
            f"resource, {name}",
            read(uri),
            code={"modern": -32602, "legacy": -32002},
            status={"modern": 400, "legacy": 200},
            says="Resource not found",
            leaves=f"call {outcome}",
            amid=another_tenants_resource if "tenant" in name else peace,
        )
        for name, uri, outcome in (
            ("unknown", "customer://C-999999", "not_found"),
            ("of another tenant", "customer://C-GLOBEX1", "not_found"),
            ("of another scheme", "file:///etc/passwd", "unknown_target"),
            ("no URI", "not a uri", "unknown_target"),
            ("path traversal", "customer://../../etc/passwd", "unknown_target"),
            ("path traversal, encoded", "customer://%2e%2e%2fetc%2fpasswd", "unknown_target"),
            ("SQL", "customer://C-000001' OR '1'='1", "unknown_target"),
            ("too long", f"customer://{'C' * 5000}", "invalid"),
        )
    ),
]  # fmt: skip


def argument(name: str, sent: Sent, says: str) -> Row:
    return Row(f"arguments, {name}", sent, "invalid", says=says, leaves="call invalid")


def customer(value: Any) -> Sent:
    return call("get_customer", {"customer_id": value})


ARGUMENTS = [
    argument("unknown field", call("get_customer", {**CUSTOMER, "admin": True}), "admin: Extra inputs"),
    argument("unknown field of a write", call("create_customer", {**NEW, "tenant_id": "globex"}), "tenant_id: Extra"),
    argument("missing", call("get_customer"), "customer_id: Field required"),
    argument("wrong type", customer(1), "valid string"),
    argument("number as text", call("search_customers", {"query": "an", "limit": "5"}), "valid integer"),
    argument("out of range", call("search_customers", {"query": "an", "limit": 10**6}), "less than or equal to 100"),
    argument("integer beyond 64 bits", call("search_customers", {"query": "an", "limit": 10**30}), "JSON cannot carry"),
    argument("too long", call("search_customers", {"query": "x" * 10_000}), "at most 200 characters"),
    argument("path traversal", customer("../../etc/passwd"), "customer_id"),
    argument("SQL", customer("C-000001'; DROP TABLE customers.customers; --"), "customer_id"),
    argument("NUL", customer("C-0000\x0001"), "customer_id"),
    argument("bidirectional text", call("create_customer", {**NEW, "name": "\u202eevil"}), "printable"),
]

CALLS = [
    Row("customer, unknown", customer("C-999999"), "not_found", says="search_customers", leaves="call not_found"),
    Row("customer, another tenant's", GET, "not_found", says="search_customers", leaves="call not_found", amid=another_tenants_customer),
    Row(
        "version moved on",
        call("update_customer", {"version": 1, "changes": {"city": "Köln"}}),
        code="conflict",
        says='current_version\\":2',
        leaves="intent, outcome conflict",
        amid=moved_on,
    ),
    Row("idempotency key of another call", call("create_customer", NEW), "key_reused", says="Use a new key", leaves="intent, outcome key_reused", amid=key_taken),
    Row("twin in progress", call("create_customer", NEW), "in_progress", says="Wait a moment", leaves="intent, outcome in_progress", amid=twin),
    Row("crash", GET, "internal", says="quote it", leaves="call internal", amid=broken),
    Row("crash, resource", read("customer://C-000001"), -32603, says="quote it", leaves="call internal", amid=broken),
    Row(
        "tool hidden by policy",
        call("create_customer", NEW, token="of support"),
        **UNKNOWN,
        says="Unknown tool: create_customer",
        leaves="call unknown_target",
        on=HTTP,
    ),
    Row(
        "denied by policy",
        call("create_customer", {**NEW, "segment": "enterprise"}, token="of a seller"),
        code="denied",
        says="customers-key-accounts",
        leaves="call denied",
        on=HTTP,
    ),
    Row(
        "sign-in too weak",
        call("merge_customers", MERGE),
        code=401,
        status=401,
        says='"code":"step_up"',
        headers={
            "WWW-Authenticate": 'Bearer error="insufficient_user_authentication", error_description="merge_customers is '
            "not allowed yet. It takes a stronger sign-in. Somebody has to sign in as aal2 within the last 3600 s; then "
            'repeat the call.", acr_values="aal2", max_age="3600", resource_metadata="{metadata}", '
            'scope="customers:contact customers:pii customers:read customers:write"'
        },
        leaves="call step_up",
        on=HTTP,
    ),
    Row(
        "scope lacking, of the tool",
        call("create_customer", NEW, token="of a reader"),
        code=403,
        status=403,
        says='"code":"forbidden"',
        headers={
            "WWW-Authenticate": 'Bearer error="insufficient_scope", scope="customers:write", resource_metadata="{metadata}", '
            'error_description="create_customer needs the scope customers:write. Authorize again with it, then repeat."'
        },
        leaves="call forbidden",
        on=HTTP,
    ),
    Row(
        "scope lacking, of the arguments",
        call("update_customer", {**CUSTOMER, "version": 1, "changes": {"email": "a@example.com"}}, token="without pii"),
        code={"http": 403, "stdio": "forbidden"},
        status=403,
        says="customers:pii",
        headers={
            "WWW-Authenticate": 'Bearer error="insufficient_scope", scope="customers:write customers:pii", '
            'resource_metadata="{metadata}", error_description="E-mail, phone, street and postal code are changed '
            'only with customers:pii."'
        },
        leaves="intent, outcome forbidden",
        world="tight",
    ),
]  # fmt: skip

TIGHT: dict[str, Any] = {"world": "tight"}
WORN: dict[str, Any] = {"world": "worn"}
EXPORT = call("export_customers", {"dry_run": True, "tag": "hostile"}, token="of an admin")
exports = spent_on("export_customers", "of an admin", lambda number: {"dry_run": True, "tag": f"t-{number}"})
lookups = spent_on("get_customer", "of a manager", lambda number: {"customer_id": f"C-{number + 2:06}"})


def LIMITED(code: str) -> dict[str, Any]:  # noqa: N802 - a part of rows, like those beside it
    """A status of HTTP's in 2026, a word elsewhere."""
    return {"code": {"stdio": code, "modern": 429, "legacy": code}, "status": {"modern": 429, "legacy": 200}}


def without_redis(code: int | str) -> dict[str, Any]:
    """Without Redis there are no sessions either: over HTTP the older era gets no further than that."""
    return {
        "code": {"http-legacy": -32603, "http": code, "stdio": code},
        "says": {"http-legacy": RETRY, "http": "Limits cannot be checked", "stdio": "Limits cannot be checked"},
        "leaves": {
            "http-legacy": "counted customers/unavailable",
            "http": "call unavailable",
            "stdio": "call unavailable",
        },
        "amid": redis_gone,
        **TIGHT,
    }


MANY = {"customer_ids": ["C-000001"]}
WORLD = [
    Row("deadline passed, read", GET, "timeout", says="ran out of its 0.5 s", leaves="call timeout", amid=locked, **TIGHT),
    Row("deadline passed, resource", read("customer://C-000001"), 504, says="ran out of its 0.5 s", leaves="call timeout", amid=locked, **TIGHT),
    Row("deadline passed, write", call("create_customer", NEW), "timeout", says="nothing was changed", leaves="intent, outcome timeout", amid=locked, **TIGHT),
    Row("rate limited, read", call("get_customers", MANY), says="retry_after_s", leaves="call rate_limited", amid=spent("get_customers", MANY), **LIMITED("rate_limited"), **TIGHT),
    Row("rate limited, write", WRITE, says="retry_after_s", leaves="call rate_limited", amid=spent("create_customer", {**NEW, "dry_run": True}), **LIMITED("rate_limited"), **TIGHT),
    Row("the same call again and again", GET, "loop_detected", says="will not change", leaves="call loop_detected", amid=spent("get_customer", CUSTOMER), **WORN),
    Row("budget nearly spent, and the call can wait", EXPORT, says="can wait", leaves="call shed", amid=exports, **LIMITED("shed"), **WORN),
    Row("budget spent", GET, says="ask the person", leaves="call over_budget", amid=lookups, **LIMITED("over_budget"), **WORN),
    Row("Redis gone, read", GET, **without_redis("unavailable")),
    Row("Redis gone, write", WRITE, **without_redis("unavailable")),
    Row("Redis gone, list", Sent(), **without_redis(503)),
    Row("database away, read", GET, "unavailable", says=RETRY, leaves="unaudited unavailable", amid=database_away),
    Row("database away, write", WRITE, "unavailable", says=RETRY, leaves="unaudited, unaudited unavailable", amid=database_away),
    Row("database away, list", Sent(), 503, says=RETRY, leaves="unaudited ok", amid=database_away),
    Row("database away, resource", read("customer://C-000001"), 503, says=RETRY, leaves="unaudited unavailable", amid=database_away),
    Row("audit away, read", GET, "unavailable", says=RETRY, leaves="unaudited ok", amid=audit_away),
    Row("audit away, write", WRITE, "unavailable", says=RETRY, leaves="unaudited, unaudited unavailable", amid=audit_away),
    Row("audit away after the change", call("create_customer", NEW), "outcome_unknown", says="same idempotency_key", leaves="intent, unaudited ok", amid=outcomes_away),
    Row(
        "issuer's keys away",
        Sent(),
        code=-32603,
        status={"modern": 503, "legacy": 200},
        headers={"Retry-After": {"modern": "2", "legacy": None}, "WWW-Authenticate": None},
        leaves="counted customers/unavailable",
        on=HTTP,
        world="keyless",
    ),
]  # fmt: skip

TABLE = [*TOKENS, *REQUESTS, *JSON, *ENVELOPES, *NAMES, *ARGUMENTS, *CALLS, *WORLD]
