"""What the outside may do, may not do, and is told."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import suppress

import httpx
import pytest

from tests.compose.proxy.site import PATH, PATIENCE_S, Site

pytestmark = pytest.mark.anyio


async def test_tls_1_3_is_spoken_and_nothing_older(site: Site) -> None:
    modern, old = site.balancer.trust(), site.balancer.trust()
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with _connected(site, modern) as connection:
        assert connection.version() == "TLSv1.3"
    with pytest.raises(ssl.SSLError), _connected(site, old):
        pass


@pytest.mark.parametrize(("offered", "chosen"), [(["h2", "http/1.1"], "h2"), (["http/1.1"], "http/1.1")])
async def test_http_2_is_chosen_where_the_client_offers_it(site: Site, offered: list[str], chosen: str) -> None:
    context = site.balancer.trust()
    context.set_alpn_protocols(offered)
    with _connected(site, context) as connection:
        assert connection.selected_alpn_protocol() == chosen


def _connected(site: Site, context: ssl.SSLContext) -> ssl.SSLSocket:
    plain = socket.create_connection(("127.0.0.1", site.port), timeout=10)
    try:
        return context.wrap_socket(plain, server_hostname="127.0.0.1")
    except BaseException:
        plain.close()
        raise


FORGED = {
    "X-Forwarded-For": "203.0.113.66",
    "X-Forwarded-Proto": "http",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-User": "admin",
    "X_Forwarded_For": "203.0.113.66",
    "Forwarded": "for=203.0.113.66",
    "X-Real-IP": "203.0.113.66",
    "True-Client-IP": "203.0.113.66",
    "X-Original-URL": "/readyz",
    "X-Rewrite-URL": "/readyz",
    "X-Remote-User": "admin",
    "Remote-User": "admin",
    "X-Auth-Request-User": "admin",
    "Proxy": "http://evil.example",
    "Upgrade": "websocket",
}


async def test_what_a_client_says_about_itself_is_replaced_by_what_we_know(site: Site) -> None:
    answer = await site.post(**FORGED)
    told: dict[str, str] = dict(answer.json()["headers"])
    assert (told["x-forwarded-for"], told["x-forwarded-proto"]) == ("127.0.0.1", "https")
    assert {name.lower() for name in FORGED} & told.keys() == {"x-forwarded-for", "x-forwarded-proto"}


async def test_what_a_client_may_say_arrives_as_it_was_said(site: Site) -> None:
    said = {"Authorization": "Bearer abc", "Mcp-Session-Id": "s1", "Last-Event-ID": "e1", "Mcp-Method": "tools/call"}
    said |= {"MCP-Protocol-Version": "2025-11-25", "Accept": "text/event-stream", "traceparent": "00-1-2-01"}
    told: dict[str, str] = dict((await site.post(**said)).json()["headers"])
    assert {name.lower(): value for name, value in said.items()}.items() <= told.items()
    assert told["host"] == f"127.0.0.1:{site.port}"


HIDDEN = ("/readyz", "/livez", "/ready", "/health", "/metrics", "/", "/mcp", "/customers/readyz", "/mail/mcp")
DISGUISED = (f"{PATH}/../../readyz", "//readyz", "/%72eadyz", "/idp/../readyz", f"{PATH}/..%2f..%2freadyz")


@pytest.mark.parametrize("path", [*HIDDEN, *DISGUISED])
async def test_nothing_but_endpoints_is_reachable(site: Site, path: str) -> None:
    before = site.seen, len(site.idp.seen)
    status, _ = await _raw(site, f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
    reached = [seen.path for seen in site.idp.seen[before[1] :]]
    assert site.seen == before[0]
    # An application takes paths as they come; the provider has no such route.
    assert (status, reached) == (404, []) or reached == ["/idp/../readyz"]


async def test_the_balancer_itself_can_be_probed(site: Site) -> None:
    assert (await site.client.get(f"{site.balancer.url}/healthz")).text == "ok\n"


@pytest.mark.parametrize(
    ("path", "reaches"),
    [
        (PATH, "customers"),
        ("/.well-known/oauth-protected-resource/customers/mcp", "customers"),
        ("/idp/authorize?client_id=1", "idp"),
        ("/.well-known/oauth-authorization-server/idp", "idp"),
        ("/.well-known/openid-configuration/idp", "idp"),
        ("/idp/.well-known/openid-configuration", "idp"),
    ],
)
async def test_paths_go_unchanged_to_whom_they_belong(site: Site, path: str, reaches: str) -> None:
    replica = (await site.client.get(site.balancer.url + path)).json()["replica"]
    assert replica in {"customers": ("a", "b"), "idp": ("idp",)}[reaches]
    assert {"a": site.a, "b": site.b, "idp": site.idp}[replica].seen[-1].path == path


@pytest.mark.parametrize("method", ["PUT", "PATCH", "TRACE", "PROPFIND"])
async def test_other_methods_are_refused(site: Site, method: str) -> None:
    before = site.seen
    answer = await site.client.request(method, site.url)
    assert (answer.status_code, site.seen) == (405, before)
    if method != "TRACE":  # nginx refuses it before it looks at its configuration
        assert answer.headers["allow"] == "GET, POST, DELETE, OPTIONS"


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "OPTIONS"])
async def test_the_methods_of_mcp_pass(site: Site, method: str) -> None:
    assert (await site.client.request(method, site.url)).status_code == 200


async def test_answers_carry_security_headers_and_no_trace_of_what_runs_here(site: Site) -> None:
    for path in (PATH, "/healthz", "/nothing"):
        headers = (await site.client.get(site.balancer.url + path)).headers
        assert headers.get_list("strict-transport-security") == ["max-age=31536000"]
        assert headers.get_list("x-content-type-options") == ["nosniff"]
        assert headers.get_list("referrer-policy") == ["no-referrer"]
        assert headers.get_list("x-frame-options") == ["DENY"]
        assert headers.get_list("content-security-policy") == ["default-src 'none'; frame-ancestors 'none'"]
        assert headers.get_list("cache-control") == ["no-store"]
        # nginx has no setting for its own name.
        assert headers.get("server") == {"haproxy": None, "nginx": "nginx"}[site.balancer.program.kind]
        assert "x-powered-by" not in headers


async def test_pages_of_the_provider_keep_the_policies_they_bring(site: Site) -> None:
    brought = {
        "content-security-policy": "default-src 'none'; form-action 'self'",
        "referrer-policy": "same-origin",
        "x-frame-options": "SAMEORIGIN",
        "cache-control": "public, max-age=60",
    }
    site.idp.headers = brought
    headers = (await site.client.get(f"{site.balancer.url}/idp/authorize")).headers
    site.idp.headers = {}
    assert {name: headers.get_list(name) for name in brought} == {name: [value] for name, value in brought.items()}


async def test_a_body_within_the_servers_limit_passes_and_a_much_larger_one_is_refused(site: Site) -> None:
    limit = site.balancer.topology.body_limit_bytes
    assert (await site.client.post(site.url, content=b"x" * limit)).json()["length"] == limit
    before = site.seen
    refused = await site.client.post(site.url, content=b"x" * (limit + 65 * 1024))
    assert (refused.status_code, refused.json()["error"]["code"], site.seen) == (413, -32600, before)


async def test_a_body_in_chunks_passes(site: Site) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(10):
            yield b"x" * 400

    assert (await site.client.post(site.url, content=chunks())).json()["length"] == 4000


async def test_headers_beyond_what_anybody_needs_are_refused(site: Site) -> None:
    before = site.seen
    with suppress(httpx.TransportError):  # cut while it still wrote
        assert (await site.post(**{"X-Long": "x" * 70_000})).status_code in {400, 431}
    assert site.seen == before
    assert (await site.post(Authorization=f"Bearer {'x' * 8000}")).status_code == 200


SLOW = {
    "headers": b"POST /customers/mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ",
    "body": b"POST /customers/mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\nx",
}


async def test_slow_clients_are_cut_before_a_replica_hears_of_them(site: Site) -> None:
    before = site.seen
    answers = await asyncio.gather(*(_raw(site, begun) for begun in SLOW.values()))
    assert {status for status, _ in answers} <= {408, None}
    assert all(PATIENCE_S <= took < PATIENCE_S + 5 for _, took in answers)
    assert site.seen == before


async def test_two_lengths_in_one_request_reach_no_replica_as_two_requests(site: Site) -> None:
    """Request smuggling (RFC 9112 §6.1): whoever believes the other length sees a second request."""
    before = site.seen
    hidden = b"GET /readyz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    head = b"POST /customers/mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n"
    await _raw(site, head + b"Content-Length: 4\r\n\r\n0\r\n\r\n" + hidden)
    reached = [seen.path for seen in (site.a.seen + site.b.seen)]
    assert site.seen - before <= 1
    assert "/readyz" not in reached


async def _raw(site: Site, request: bytes) -> tuple[int | None, float]:
    """The status of the answer to bytes as they are, if there is one, and the seconds until the connection ended."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port, ssl=site.balancer.trust())
    writer.write(request)
    try:
        said = await asyncio.wait_for(reader.read(), 20)
    except ConnectionError:
        said = b""
    finally:
        writer.transport.abort()
    return (int(said.split(b" ")[1]) if said else None), loop.time() - began
