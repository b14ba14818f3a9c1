import socket
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from compose.fleet.program import Program
from compose.idp.provider import IdentityProvider
from compose.proxy.certificate import AUTHORITY
from shared.ops.serving import scopes_of


@dataclass(frozen=True)
class Plan:
    """What a fleet consists of.

    Attributes:
        programs: The servers.
        folder: Holds keys, certificates and logs, and a data directory for each replica; mode 0700.
        replicas: Of each server.
        port: Of the balancer.
        settings: For the replicas, beside what they must be told; names as in `Settings`.
        code: The tree whose code the replicas run, if not this one: another release's.
    """

    programs: Sequence[Program]
    folder: Path
    replicas: int = 3
    port: int = 8443
    settings: Mapping[str, object] = field(default_factory=dict[str, object])
    code: Path | None = None

    @property
    def base_url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    @property
    def authority(self) -> Path:
        """The certificate by which the balancer is trusted."""
        return self.folder / "balancer" / AUTHORITY

    @property
    def trusted(self) -> Path:
        """The authorities whose certificates replicas accept, that one among them."""
        return self.folder / "trusted.pem"

    @property
    def issuer(self) -> str:
        return f"{self.base_url}/idp"

    @cached_property
    def resources(self) -> dict[str, list[str]]:
        """URL of each server, which is the audience of its tokens → its scopes."""
        return {self.url(program.server.name): scopes_of(program.server) for program in self.programs}

    def url(self, server: str) -> str:
        return f"{self.base_url}/{server}" if server in self.sites else f"{self.base_url}/{server}/mcp"

    @cached_property
    def sites(self) -> frozenset[str]:
        """Names of those that people use in a browser."""
        return frozenset(program.server.name for program in self.programs if program.server.web)

    def provider(self) -> IdentityProvider:
        """The mock provider with the keys of the fleet's own, to mint tokens that the fleet takes."""
        return IdentityProvider(self.issuer, resources=self.resources, keys_dir=self.folder / "idp")


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody listens on just now, all different."""
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [probe.getsockname()[1] for probe in probes]
