"""`docs/endpoints.md`: what a process answers over HTTP, and the headers that mean something to it."""

from collections.abc import Iterator

import servers
from shared.edge.address import Address
from shared.edge.show_replica import HEADER
from shared.ops.reference.table import NOTE, code, table

_AT = "https://mcp.example.com"

PROBES = {
    "/livez": "200 while the process runs; also `/health`",
    "/readyz": "200 while it can serve; 503 with each check that failed, or `draining` before it stops; also `/ready`",
}
"""Path → what it is, of those that need no token."""

ASKED = {
    "Authorization": "`Bearer` and an access token whose audience is the server's URL",
    "Accept": "`application/json` and `text/event-stream`, both",
    "Content-Type": "`application/json`",
    "MCP-Protocol-Version": "the version that the body is of; 2025 where it is missing",
    "Mcp-Method": "the method, from 2026-07-28 on; has to be the body's",
    "Mcp-Name": "the tool, prompt, resource or task, from 2026-07-28 on; has to be the body's",
    "Mcp-Session-Id": "the session, in 2025",
    "Last-Event-ID": "the last event that came, to go on with a broken stream of 2025",
    "Host": "has to be ours: `SUITE_PUBLIC_URL`, `SUITE_ALLOWED_HOSTS`",
    "Origin": "of a web page; refused unless it is in `SUITE_ALLOWED_ORIGINS`",
    "X-Forwarded-For": "believed of `SUITE_TRUSTED_PROXIES` alone, for the audit's `client_address`",
}
"""Header → what a request says with it."""

ANSWERED = {
    "WWW-Authenticate": "with 401 and 403: where to get a token, with which scopes, how fresh a sign-in",
    "Retry-After": "with 429 and 503: seconds",
    "Mcp-Session-Id": "of an `initialize` of 2025: the session from now on",
    "Allow": "with 405",
    "Connection": "`close` where the rest of a body that is refused may still come",
    "X-Accel-Buffering": "`no` on streams: balancers hand on each event at once",
    HEADER: "which replica answered, if `SUITE_SHOW_REPLICA` names it",
}
"""Header → what an answer says with it."""


def page() -> Iterator[str]:
    yield f"# HTTP endpoints and headers\n\n{NOTE}"
    yield (
        "A process with every server (`make up`) answers at the first paths; one that serves one server (`serve`)\n"
        "at the second ones, unless `SUITE_SHARED_URL` says that servers share an address.\n"
    )
    yield from table(("server", "with others", "alone", "metadata (RFC 9728)"), map(_server, servers.every()))
    yield "| path | what |\n|---|---|"
    yield from (f"| `{path}` | {what} |" for path, what in PROBES.items())
    yield (
        "\n`/metrics` is on a listener of its own (`SUITE_METRICS_PORT`), never on the port clients use; with\n"
        "`SUITE_HEALTH_PORT` so are `/livez` and `/readyz`. The mock identity provider of `make up` is at `/idp`. A\n"
        "server's endpoint takes POST, in 2025 also GET (a stream) and DELETE (ends the session); see\n"
        "[errors](errors.md).\n"
    )
    yield "## Headers of requests\n"
    yield from table(("header", "says"), ((code(name), what) for name, what in ASKED.items()))
    yield "## Headers of answers\n"
    yield from table(("header", "says"), ((code(name), what) for name, what in ANSWERED.items()))
    for server in servers.every():
        if server.web is not None:
            yield f"## Pages of the {server.name}\n"
            rows = ((view.method, code(f"/{server.name}{view.path}")) for view in server.web.views)
            yield from table(("method", "path"), rows)


def _server(server: servers.Server) -> tuple[str, ...]:
    beside, alone = (Address.at(server, _AT, alone=alone) for alone in (False, True))
    metadata = code(beside.metadata_paths[0]) if beside.is_mcp else ""
    return server.name, code(beside.path), code(alone.path), metadata
