"""What a load balancer is told: where it listens, and which replicas serve what."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from shared.core.errors import Misconfigured

Kind = Literal["haproxy", "nginx"]

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_PATH = re.compile(r"(/[a-z0-9-]{1,32})+")
_ADDRESS = re.compile(r"([A-Za-z0-9.-]+|\[[0-9a-f:]+\]):[0-9]{1,5}")


@dataclass(frozen=True)
class Replica:
    """One process that serves; all replicas of a server are alike.

    Attributes:
        name: Unique among its server's: for draining and in logs, e.g. `a`.
        address: HOST:PORT it listens on.
    """

    name: str
    address: str


@dataclass(frozen=True)
class Inner:
    """How the balancer and the servers know each other, where the network between them is not to be trusted.

    Attributes:
        authority: PEM file; each server shows a certificate of it. To HAProxy it is for the host of its address, to
            nginx for the server's name, e.g. `customers`.
        certificate: PEM file of certificate and key that the balancer shows to them.
    """

    authority: str
    certificate: str


@dataclass(frozen=True)
class Topology:
    """Everything that differs between one balancer's configuration and another's.

    Replicas share the balancer's name (`SUITE_PUBLIC_URL`, `SUITE_SHARED_URL=true`), so no path is ever rewritten.

    Attributes:
        servers: Name of each server → its replicas. They answer at `/{server}/mcp`.
        sites: Those of them that people use in a browser, and that answer at and below `/{server}`.
        identity_provider: HOST:PORT of the mock provider, whose issuer is `{base_url}/idp`; None for one elsewhere.
        host: Address to listen on.
        port: Port to listen on.
        body_limit_bytes: Largest request body, as SUITE_BODY_LIMIT_BYTES says.
        patience_s: Seconds in which all headers of a request, and the first buffer of its body, must be here;
            after twice as long a client that stalls in the middle of something is cut.
        by_dns: Hosts of addresses are names; each may stand for several replicas, and is asked for again and again.
        nameserver: HOST:PORT to ask, in place of those in resolv.conf.
        inner: Servers are reached over TLS, each side with a certificate.
        pages: Path → HOST:PORT of something else that answers at and below it, without TLS (HAProxy).
        health: HOST:PORT where `/healthz` answers without TLS, for the health check of a container.

    Raises:
        Misconfigured: A name or an address that could not stand in a configuration.
    """

    servers: Mapping[str, Sequence[Replica]] = field(default_factory=dict[str, Sequence[Replica]])
    identity_provider: str | None = None
    host: str = "127.0.0.1"
    port: int = 8443
    body_limit_bytes: int = 2**20
    patience_s: int = 10
    by_dns: bool = False
    nameserver: str | None = None
    health: str | None = None
    sites: frozenset[str] = frozenset()
    inner: Inner | None = None
    pages: Mapping[str, str] = field(default_factory=dict[str, str])

    def __post_init__(self) -> None:
        replicas = [replica for group in self.servers.values() for replica in group]
        names = [*self.servers, *(replica.name for replica in replicas)]
        given = [f"{self.host}:{self.port}", *(replica.address for replica in replicas)]
        given += self.pages.values()
        given += [address for address in (self.identity_provider, self.nameserver, self.health) if address]
        wrong = [name for name in names if not _NAME.fullmatch(name)]
        wrong += [address for address in given if not _ADDRESS.fullmatch(address)]
        wrong += [path for path in self.pages if not _PATH.fullmatch(path)]
        wrong += [server for server, group in self.servers.items() if not group]
        if wrong:
            raise Misconfigured(f"no balancer can serve {wrong[0]!r}: names are a-z, addresses HOST:PORT")

    @property
    def base_url(self) -> str:
        """What replicas need as SUITE_PUBLIC_URL."""
        return f"https://{self.host}:{self.port}"
