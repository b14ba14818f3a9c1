"""What `make fleet` tells people: where everything is, whom to trust, and how to call it."""

import os
import shlex
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.text import Text

from compose.fleet.environment import for_commands
from compose.fleet.fleet import Fleet
from compose.fleet.plan import Plan
from shared.state.engines import Engine
from shared.state.roles import Urls


def kept_environment(plan: Plan, urls: Urls, redis_url: str) -> Path:
    """A file of mode 0600 that makes `mcp-suite` commands speak of this fleet, for a shell to read."""
    path = plan.folder / "environment"
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    lines = [f"{name}={shlex.quote(value)}\n" for name, value in for_commands(plan, urls, redis_url).items()]
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.writelines(lines)
    return draft.replace(path)


def welcome(console: Console, fleet: Fleet, postgres: Engine, redis: Engine, kept: Path) -> None:
    """Printed once everything answers."""
    for title, lines in (
        ("Enterprise MCP Suite, a fleet of processes", _urls(fleet)),
        ("Behind the balancer", _processes(fleet, postgres, redis)),
        ("To call it from another terminal", _calls(fleet)),
        ("To look after it", _care(fleet, kept)),
    ):
        console.print(Text(f"\n{title}", style="bold"))
        for name, text in lines:
            console.print(Text(f"  {name:<18} {text}"), soft_wrap=True)
    console.print(Text("\nEverything runs. Ctrl-C ends it.", style="dim"))


def _urls(fleet: Fleet) -> Iterator[tuple[str, str]]:
    for server in fleet.replicas:
        yield server, fleet.plan.url(server)
    yield "identity provider", fleet.plan.issuer
    yield "load balancer", f"{fleet.balancer.program}, process {fleet.balancer.pid}"


def _processes(fleet: Fleet, postgres: Engine, redis: Engine) -> Iterator[tuple[str, str]]:
    for process in fleet.processes:
        yield process.name, f"127.0.0.1:{process.port}, process {process.pid}"
    yield "database", str(postgres)
    yield "shared state", str(redis)


def _calls(fleet: Fleet) -> Iterator[tuple[str, str]]:
    server, authority = _called(fleet), shlex.quote(str(fleet.balancer.authority))
    yield "trust, in Python", f"export SSL_CERT_FILE={authority}"
    yield "trust, in Node", f"export NODE_EXTRA_CA_CERTS={authority}"
    yield "token", f".venv/bin/python -m compose.fleet token manager {flags(fleet.plan, server)}"
    yield "see who answers", f"curl -si --cacert {authority} {fleet.plan.url(server)} | grep -i suite-replica"


def _called(fleet: Fleet) -> str:
    """The first server that clients call; a website is not called with a token."""
    reached = [server for server in fleet.replicas if fleet.plan.url(server).endswith("/mcp")]
    return (reached or list(fleet.replicas))[0]


def _care(fleet: Fleet, kept: Path) -> Iterator[tuple[str, str]]:
    yield "logs", str(fleet.plan.logs)
    yield "mcp-suite", f"set -a; . {shlex.quote(str(kept))}; set +a   # audit, db and sessions then speak of this fleet"


def flags(plan: Plan, server: str) -> str:
    """What `compose.fleet token` must be told to speak of this fleet."""
    return f"--server {server} --port {plan.port} --folder {shlex.quote(str(plan.folder))}"
