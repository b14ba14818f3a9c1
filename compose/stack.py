"""`python -m compose.stack up|down`: all the steps from nothing to a stack that answers, and back.

Secrets and certificates are made where there are none, the image is built if it is not there, compose brings the
services up, and the balancer is asked until it answers for every server.
"""

import os
import shutil
import ssl
import subprocess
import sys
import time
from http.client import HTTPException
from pathlib import Path
from typing import Annotated, Literal
from urllib.error import URLError
from urllib.request import HTTPSHandler, ProxyHandler, build_opener

import typer

import servers
from compose import keys
from shared.core.errors import Misconfigured

HERE = Path(__file__).parent
_PATIENCE_S = 240.0
_AGAIN_S = 1.0
_COMPOSES = (("docker", "compose"), ("podman-compose",), ("podman", "compose"))
_COLLECTOR = "http://collector:4318"
_NOT_YET = (URLError, HTTPException, OSError)

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, help=__doc__)
Profile = Annotated[Literal["core", "full"], typer.Option(help="`full` adds collector, Prometheus and Grafana.")]


@app.command()
def up(profile: Profile = "core") -> None:
    """Bring everything up; may be repeated."""
    command = found_compose()
    keys.keep(keys.FOLDER)
    if not _answers([command[0].removesuffix("-compose"), "image", "inspect", "mcp-suite:dev"]):
        _run([sys.executable, "-m", "compose.image"], {})
    more = {"SUITE_OTLP_ENDPOINT": _COLLECTOR} if profile == "full" else {}
    _run([*command, "--file", str(HERE / "compose.yaml"), "--profile", profile, "up", "--detach"], more)
    origin = f"https://localhost:{os.environ.get('PUBLIC_PORT', '8443')}"
    _wait(origin)
    typer.echo("\n".join(welcome(origin, profile)))


@app.command()
def down(
    profile: Profile = "full",
    volumes: Annotated[
        bool, typer.Option("--volumes", help="The data too; without it, it is there next time.")
    ] = False,
) -> None:
    """Take everything down; secrets stay, for the database remembers them."""
    command = [*found_compose(), "--file", str(HERE / "compose.yaml"), "--profile", profile, "down"]
    _run([*command, *(["--volumes"] if volumes else [])], {})


def found_compose() -> tuple[str, ...]:
    """The command that understands compose.yaml here.

    Raises:
        Misconfigured: There is none.
    """
    for words in _COMPOSES:
        if shutil.which(words[0]) and _answers([*words, "version"]):
            return words
    named = ", ".join(" ".join(words) for words in _COMPOSES)
    raise Misconfigured(f"none of {named} works here: install Docker with its compose plugin, or podman-compose")


def welcome(origin: str, profile: str) -> list[str]:
    """Where everything is."""
    lines = [f"{each.title:<14}{origin}/{each.name}" + ("/" if each.web else "/mcp") for each in servers.every()]
    lines += [f"{'Mail caught':<14}{origin}/mail-sink"]
    lines += ["Grafana       http://localhost:3000"] if profile == "full" else []
    return [*lines, f"Clients must trust {keys.FOLDER / keys.TRUSTED} (NODE_EXTRA_CA_CERTS, SSL_CERT_FILE)."]


def _wait(origin: str) -> None:
    trust = ssl.create_default_context(cafile=keys.FOLDER / keys.TRUSTED)
    opener = build_opener(ProxyHandler({}), HTTPSHandler(context=trust))
    deadline = time.monotonic() + _PATIENCE_S
    for name in (each.name for each in servers.over_mcp()):
        url = f"{origin}/.well-known/oauth-protected-resource/{name}/mcp"
        while True:
            try:
                with opener.open(url, timeout=5):
                    break
            except _NOT_YET as error:
                if time.monotonic() > deadline:
                    raise Misconfigured(f"{url} does not answer ({error}): look at the logs of {name}") from error
                time.sleep(_AGAIN_S)


def _answers(command: list[str]) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0  # noqa: S603 - fixed words


def _run(command: list[str], more: dict[str, str]) -> None:
    done = subprocess.run(command, cwd=HERE.parent, env={**os.environ, **more}, check=False)  # noqa: S603
    if done.returncode:
        raise Misconfigured(f"`{' '.join(command[:3])} …` ended with {done.returncode}; its words are above")


if __name__ == "__main__":
    app()
