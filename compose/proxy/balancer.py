"""A real load balancer as our child process: for `make fleet` and for tests."""

import tempfile
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from compose.proxy.certificate import keep_certificate
from compose.proxy.haproxy import Haproxy
from compose.proxy.nginx import Nginx
from compose.proxy.programs import find_balancer
from compose.proxy.running import Balancer
from compose.proxy.topology import Kind, Topology


@contextmanager
def run_balancer(topology: Topology, *, kind: Kind = "haproxy", folder: Path | None = None) -> Generator[Balancer]:
    """A balancer for as long as the context lasts; it accepts connections when the context is entered.

    Replicas need not be there yet: HAProxy looks for them twice a second, and uses them once `/readyz` says 200.
    The child dies with this process. Call it from a thread that lives as long as the balancer should.

    Args:
        topology: What to serve; its port must be free.
        kind: `haproxy`, the default, or `nginx`.
        folder: Where configuration, certificate (kept if it is there) and log go; a temporary one without.

    Raises:
        Unreachable: The program can be had nowhere.
        Misconfigured: It does not start; quotes its last words.
    """
    program = find_balancer(kind)
    with ExitStack() as stack:
        if folder is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="balancer-")))
        folder = folder.resolve()
        keep_certificate(folder, list(dict.fromkeys((topology.host, "127.0.0.1", "localhost"))))
        made = (Haproxy if kind == "haproxy" else Nginx)(program, topology, folder)
        made.start()
        stack.callback(made.stop)
        yield made
