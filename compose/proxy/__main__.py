"""`python -m compose.proxy`: the configuration of a balancer that runs elsewhere, and a certificate to begin with."""

from pathlib import Path
from typing import Annotated

import typer

from compose.proxy.certificate import keep_certificate
from compose.proxy.render import Files, render
from compose.proxy.topology import Inner, Kind, Replica, Topology
from shared.core.errors import Misconfigured

_FILES = {"haproxy": "haproxy.cfg", "nginx": "nginx.conf"}

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, help=__doc__)


@app.command()
def write(
    server: Annotated[list[str], typer.Option(help="NAME=HOST:PORT of one replica; again for the next.")],
    into: Annotated[Path, typer.Option(help="Where the configuration and, without --certificate, one is put.")],
    kind: Annotated[Kind, typer.Option(help="Which balancer.")] = "haproxy",
    site: Annotated[
        list[str] | None, typer.Option(help="Name of a server that people use in a browser; again for the next.")
    ] = None,
    identity_provider: Annotated[str | None, typer.Option(help="HOST:PORT of the mock provider.")] = None,
    host: Annotated[str, typer.Option(help="Address the balancer listens on.")] = "0.0.0.0",  # noqa: S104 - its purpose
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port it listens on.")] = 8443,
    body_limit: Annotated[int, typer.Option(help="As SUITE_BODY_LIMIT_BYTES.")] = 2**20,
    by_dns: Annotated[bool, typer.Option("--by-dns", help="One name stands for several replicas (HAProxy).")] = False,
    health: Annotated[str | None, typer.Option(help="HOST:PORT of /healthz without TLS (HAProxy).")] = None,
    certificate: Annotated[Path | None, typer.Option(help="PEM of your own: certificate, chain and key.")] = None,
    name: Annotated[list[str] | None, typer.Option(help="Host names for a certificate of ours.")] = None,
    inner_authority: Annotated[
        str | None,
        typer.Option(
            help="PEM file: servers are reached over TLS and show a certificate of it; docs/tls.md says for which name."
        ),
    ] = None,
    inner_certificate: Annotated[str, typer.Option(help="PEM of certificate and key that is shown to them.")] = "",
    page: Annotated[
        list[str] | None, typer.Option(help="/PATH=HOST:PORT of something else that answers there; again for more.")
    ] = None,
    sockets: Annotated[Path, typer.Option(help="Folder for HAProxy's sockets, or nginx's buffers.")] = Path("/run"),
) -> None:
    """Write what a balancer needs into a folder."""
    replicas, sites = _replicas(server), frozenset(site or ())
    topology = Topology(
        replicas,
        identity_provider,
        host,
        port,
        body_limit,
        by_dns=by_dns,
        health=health,
        sites=sites,
        inner=_inner(inner_authority, inner_certificate),
        pages=dict(_pair(one, "/PATH=HOST:PORT") for one in page or ()),
    )
    if certificate is None:
        keep_certificate(into, name or ["localhost", "127.0.0.1"])
    files = Files(
        certificate=str(certificate or into / Files.certificate),
        admin_socket=str(sockets / Files.admin_socket),
        inner_socket=str(sockets / Files.inner_socket),
        scratch=str(sockets),
    )
    (into / _FILES[kind]).write_text(render(kind, topology, files))


def _inner(authority: str | None, certificate: str) -> Inner | None:
    if bool(authority) != bool(certificate):
        raise Misconfigured("--inner-authority and --inner-certificate go together: both sides show who they are")
    return Inner(authority, certificate) if authority else None


def _pair(given: str, form: str) -> tuple[str, str]:
    name, separator, address = given.partition("=")
    if not separator:
        raise Misconfigured(f"{given} is no {form}")
    return name, address


def _replicas(given: list[str]) -> dict[str, list[Replica]]:
    found: dict[str, list[Replica]] = {}
    for one in given:
        name, address = _pair(one, "NAME=HOST:PORT")
        group = found.setdefault(name, [])
        group.append(Replica(f"r{len(group) + 1}", address))
    return found


if __name__ == "__main__":
    app()
