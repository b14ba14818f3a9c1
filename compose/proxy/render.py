"""Configurations from a topology. The templates hold the reasons; `@{name}` is what differs."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from string import Template

from compose.proxy.topology import Kind, Replica, Topology

_TEMPLATES = Path(__file__).parent / "templates"
_METADATA = "/.well-known/oauth-protected-resource"
_SPARE_BYTES = 64 * 1024
"""What is a little too large reaches a replica, whose refusal says more and is counted."""
_DNS_SLOTS = 16
_NGINX_FAILS = "max_fails=5 fail_timeout=2s"
"""A replica that failed five calls is left alone for two seconds: there are no health checks. After one failure
already, two lost calls would take both of two replicas away."""

_ASKED = " resolvers dns resolve-prefer ipv4 init-addr none"

Drained = Collection[tuple[str, str]]


@dataclass(frozen=True)
class Files:
    """Where a balancer finds and puts things; relative to its working directory.

    Attributes:
        certificate: PEM of certificate, chain and key.
        admin_socket: HAProxy's; who may write to it may do everything.
        scratch: nginx's pid, log and buffers.
    """

    certificate: str = "server.pem"
    admin_socket: str = "admin.sock"
    inner_socket: str = "inner.sock"
    scratch: str = "."


def render(kind: Kind, topology: Topology, files: Files, drained: Drained = ()) -> str:
    """The whole configuration.

    Args:
        kind: Of which balancer.
        topology: What it serves.
        files: Its certificate, and where it may write.
        drained: Pairs of server and replica that get nothing new; for nginx, which can be told in no other way.
    """
    return _haproxy(topology, files) if kind == "haproxy" else _nginx(topology, files, drained)


class _Text(Template):
    """`$` and `%` belong to the balancers."""

    delimiter = "@"
    idpattern = r"(?!)"
    braceidpattern = r"[a-z_]+"


def _fill(template: str, **values: object) -> str:
    return _Text((_TEMPLATES / template).read_text("utf-8")).substitute(values)


def _haproxy(topology: Topology, files: Files) -> str:
    routes: list[str] = []
    backends: list[str] = []
    for server in topology.servers:
        # Where none is ready, those that live still say why not, in words each era of clients understands.
        for paths in _haproxy_paths(topology, server):
            routes += [f"    use_backend {server} if {paths} {{ nbsrv({server}) gt 0 }}"]
            routes += [f"    use_backend {server}.alive if {paths}"]
        for name, probe in ((server, "/readyz"), (f"{server}.alive", "/livez")):
            replicas = _haproxy_servers(topology, server)
            backends.append(_fill("haproxy-server.cfg", name=name, probe=probe, replicas=replicas))
    if topology.identity_provider:
        routes += [f"    use_backend .idp if {{ path {' '.join(_IDP_METADATA)} }} or {{ path_beg /idp/ }}"]
        by_dns = _ASKED if topology.by_dns else ""
        backends.append(_other(".idp", topology.identity_provider, by_dns))
    for number, (path, address) in enumerate(topology.pages.items()):
        routes += [f"    use_backend .page{number} if {{ path {path} }} or {{ path_beg {path}/ }}"]
        backends.append(_other(f".page{number}", address, _ASKED if topology.by_dns else ""))
    return _fill(
        "haproxy.cfg",
        admin_socket=files.admin_socket,
        certificate=files.certificate,
        inner_socket=files.inner_socket,
        listen=f"{topology.host}:{topology.port}",
        resolvers=_fill("haproxy-dns.cfg", nameserver=_nameserver(topology)) if topology.by_dns else "",
        patience=topology.patience_s,
        stall=2 * topology.patience_s,
        body_limit=topology.body_limit_bytes + _SPARE_BYTES,
        health=_fill("haproxy-health.cfg", health=topology.health) if topology.health else "",
        mcp_paths=" ".join(_endpoint(name) for name in topology.servers if name not in topology.sites)
        or "-m bool false",
        routes="".join(f"{route}\n" for route in routes),
        backends="".join(backends),
    )


_IDP_METADATA = ("/.well-known/oauth-authorization-server/idp", "/.well-known/openid-configuration/idp")


def _other(name: str, address: str, by_dns: str) -> str:
    return _fill("haproxy-other.cfg", name=name, address=address, resolving=by_dns)


def _haproxy_paths(topology: Topology, server: str) -> list[str]:
    if server in topology.sites:
        return [f"{{ path /{server} }}", f"{{ path_beg /{server}/ }}"]
    return [f"{{ path {_endpoint(server)} {_METADATA}{_endpoint(server)} }}"]


def _haproxy_servers(topology: Topology, server: str) -> str:
    if topology.by_dns:
        template = "    server-template {0.name} 1-{1} {0.address}" + _ASKED
    else:
        template = "    server {0.name} {0.address}"
    return "\n".join(
        template.format(replica, _DNS_SLOTS) + _inner(topology, replica) for replica in topology.servers[server]
    )


def _inner(topology: Topology, replica: Replica) -> str:
    """Health checks go the same way, so a server whose certificate is not good is not used."""
    if topology.inner is None:
        return ""
    host = replica.address.rpartition(":")[0].strip("[]")
    known = f"verify required ca-file {topology.inner.authority} verifyhost {host}"
    return f" ssl crt {topology.inner.certificate} {known} ssl-min-ver TLSv1.3"


def _nameserver(topology: Topology) -> str:
    return f"nameserver given {topology.nameserver}" if topology.nameserver else "parse-resolv-conf"


def _endpoint(server: str) -> str:
    return f"/{server}/mcp"


def _nginx_paths(topology: Topology, server: str) -> dict[str, str]:
    """Each path, and how long an answer may keep silent there."""
    if server in topology.sites:
        return {f"= /{server}": "30s", f"/{server}/": "1h"}
    return {f"= {_endpoint(server)}": "1h", f"= {_METADATA}{_endpoint(server)}": "30s"}


def _nginx_line(topology: Topology, server: str) -> dict[str, str]:
    """How a server's replicas are reached; nginx can expect but one name of all of them, and no address."""
    if topology.inner is None:
        return {"scheme": "http", "verified": ""}
    known = {"authority": topology.inner.authority, "certificate": topology.inner.certificate, "name": server}
    return {"scheme": "https", "verified": _fill("nginx-inner.conf", **known)}


def _nginx(topology: Topology, files: Files, drained: Drained) -> str:
    upstreams: list[str] = []
    routes: list[str] = []
    for server, replicas in topology.servers.items():
        lines = [
            f"        server {replica.address} {'down' if (server, replica.name) in drained else _NGINX_FAILS};"
            for replica in replicas
        ]
        upstreams.append(_fill("nginx-upstream.conf", name=server, replicas="\n".join(lines)))
        told = {"upstream": server, **_nginx_line(topology, server)}
        routes += [
            _fill("nginx-route.conf", path=path, patience=patience, **told)
            for path, patience in _nginx_paths(topology, server).items()
        ]
    if topology.identity_provider:
        lines = [f"        server {topology.identity_provider};"]
        upstreams.append(_fill("nginx-upstream.conf", name=".idp", replicas="\n".join(lines)))
        paths = [*(f"= {path}" for path in _IDP_METADATA), "/idp/"]
        told = {"upstream": ".idp", "scheme": "http", "verified": "", "patience": "30s"}
        routes += [_fill("nginx-route.conf", path=path, **told) for path in paths]
    return _fill(
        "nginx.conf",
        scratch=files.scratch,
        certificate=files.certificate,
        listen=f"{topology.host}:{topology.port}",
        patience=topology.patience_s,
        stall=2 * topology.patience_s,
        body_limit=topology.body_limit_bytes + _SPARE_BYTES,
        upstreams="".join(upstreams),
        routes="".join(routes),
    )
