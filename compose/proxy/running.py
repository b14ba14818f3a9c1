import socket
import ssl
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from compose.proxy.certificate import AUTHORITY
from compose.proxy.programs import Program
from compose.proxy.topology import Topology
from shared.core.errors import Misconfigured
from shared.state.processes import clean_environment

_START_S = 10.0
_POLL_S = 0.01
_LAST_WORDS = 2000


@dataclass
class Balancer(ABC):
    """A running balancer.

    Attributes:
        program: What runs.
        topology: What it was told last.
        folder: Its configuration, keys and log; 0700.
    """

    program: Program
    topology: Topology
    folder: Path
    child: "subprocess.Popen[bytes]" = field(init=False)

    @property
    def pid(self) -> int:
        """Of the child; another one after each `reload` of HAProxy."""
        return self.child.pid

    @property
    def url(self) -> str:
        """Scheme and authority, without a trailing slash."""
        return self.topology.base_url

    @property
    def authority(self) -> Path:
        """PEM file of the authority that signed its certificate: what clients must trust."""
        return self.folder / AUTHORITY

    @property
    def log(self) -> Path:
        """What it prints: with HAProxy a line for each request, too."""
        return self.folder / "balancer.log"

    def trust(self) -> ssl.SSLContext:
        """A client's context that trusts this balancer and nobody else."""
        return ssl.create_default_context(cafile=self.authority)

    @abstractmethod
    def drain(self, server: str, replica: str) -> None:
        """Send the replica nothing new; what it answers already goes on.

        Raises:
            KeyError: There is no such replica.
        """

    @abstractmethod
    def ready(self, server: str, replica: str) -> None:
        """Take a drained replica back.

        Raises:
            KeyError: There is no such replica.
        """

    @abstractmethod
    def states(self, server: str) -> dict[str, str]:
        """Replica → `up`, `down`, `unsure` or `drain`; of nginx, which asks nobody, only `up` and `drain`."""

    @abstractmethod
    def reload(self, topology: Topology) -> None:
        """Serve another topology, on the same address; open streams go on.

        Raises:
            Misconfigured: It was not taken; the old one is served on.
        """

    @abstractmethod
    def start(self) -> None:
        """Start the child and wait until it accepts.

        Raises:
            Misconfigured: It does not start; quotes its last words.
        """

    @abstractmethod
    def stop(self) -> None:
        """End the child and everything it left running."""

    @property
    def environment(self) -> Mapping[str, str]:
        return {**clean_environment(), **self.program.environment}

    def require(self, server: str, replica: str) -> None:
        if replica not in {one.name for one in self.topology.servers[server]}:
            raise KeyError(replica)

    def wait_until_accepting(self, child: "subprocess.Popen[bytes]") -> None:
        """Until clients can come.

        Raises:
            Misconfigured: The child ended, or they cannot in ten seconds; quotes its last words.
        """
        deadline = time.monotonic() + _START_S
        while child.poll() is None and time.monotonic() < deadline:
            if self.accepts(child):
                return
            time.sleep(_POLL_S)
        raise Misconfigured(f"{self.program} did not start; its last words: {self.last_words()}")

    def last_words(self) -> str:
        return self.log.read_text(errors="replace")[-_LAST_WORDS:] if self.log.exists() else ""

    def accepts(self, child: "subprocess.Popen[bytes]") -> bool:  # noqa: ARG002 - HAProxy asks which one
        """Whether somebody shows our certificate at our address, which only we can."""
        address = (self.topology.host.strip("[]"), self.topology.port)
        try:
            with (
                socket.create_connection(address, timeout=1) as plain,
                self.trust().wrap_socket(plain, server_hostname=address[0]),
            ):
                return True
        except OSError:
            return False
