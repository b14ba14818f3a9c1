import sys
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import servers
from shared.core.server import Server


@dataclass(frozen=True)
class Program:
    """A server, and the command that serves it: one replica, told everything by its environment."""

    server: Server
    command: tuple[str, ...]


def find_program(name: str) -> Program:
    """The program of a server.

    Args:
        name: A folder under `servers/`, or the import path of a package elsewhere that looks like one of them, and
            that `python -m` serves, by the same settings as `mcp-suite serve`.

    Raises:
        Misconfigured: There is no such folder.
    """
    python = Path(sys.executable)
    if "." not in name:
        return Program(servers.load(name), (str(python.with_name("mcp-suite")), "serve", name))
    server: Server = import_module(f"{name}.server").server
    return Program(server, (str(python), "-m", name))
