"""`mcp-suite connect`: what a client needs, printed, merged into its file, taken out again, or tried."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Annotated

import typer

import servers
from shared.core.errors import Misconfigured
from shared.core.server import Server
from shared.core.settings import Settings
from shared.edge.address import Address
from shared.ops import serving
from shared.ops.connect.checking import check
from shared.ops.connect.clients import Client, file_of
from shared.ops.connect.commands import command
from shared.ops.connect.entries import TOKEN_INPUT, Way, configuration, environment_of
from shared.ops.connect.files import backup_of, merge, remove
from shared.ops.running import read_settings

Named = Annotated[list[str] | None, typer.Option("--server", help="Only this one; may be repeated. Default: all.")]
Url = Annotated[str | None, typer.Option("--url", help="Where a fleet is, such as https://mcp.example.com.")]
Stdio = Annotated[bool, typer.Option("--stdio", help="The client starts the servers itself, on this machine.")]
Bearer = Annotated[
    bool, typer.Option(help="Send a token of one's own instead of signing in (docs/connect-a-client.md).")
]
HeaderFile = Annotated[Path | None, typer.Option(help="The file that mcp-remote reads headers from.")]


def connect(
    client: Annotated[Client, typer.Argument(help="The client to configure.")],
    write: Annotated[bool, typer.Option("--write", help="Merge into the client's own file.")] = False,
    take_out: Annotated[bool, typer.Option("--remove", help="Take our servers out of that file.")] = False,
    try_it: Annotated[bool, typer.Option("--check", help="Reach each server as the client would, and say.")] = False,
    project: Annotated[bool, typer.Option("--project", help="The file of this folder, not of the user.")] = False,
    server: Named = None,
    url: Url = None,
    stdio: Stdio = False,
    bearer: Bearer = False,
    header_file: HeaderFile = None,
) -> None:
    """Print a client's configuration for our servers, or merge it into the client's file, or try it."""
    if write + take_out + try_it > 1:
        raise Misconfigured("--write, --remove and --check are three things: ask for one of them")
    settings = read_settings()
    ways = _ways(settings, client, server, url, stdio=stdio, bearer=bearer, header_file=header_file)
    if try_it:
        _try(settings, ways)
    elif write:
        _write(client, file_of(client, Path.home(), Path.cwd() if project else None), ways)
    elif take_out:
        _take_out(client, file_of(client, Path.home(), Path.cwd() if project else None), ways)
    else:
        _print(client, ways)


def _ways(
    settings: Settings,
    client: Client,
    named: list[str] | None,
    url: str | None,
    *,
    stdio: bool,
    bearer: bool,
    header_file: Path | None,
) -> list[Way]:
    """Claude Desktop starts servers itself unless it is told where they are; the others connect unless told not to."""
    if stdio and (url or client is Client.MCP_REMOTE):
        raise Misconfigured("--stdio starts servers on this machine; leave it out to reach them at a URL")
    served = [servers.load(name) for name in named] if named else servers.over_mcp()
    for one in served:
        if one.web is not None:
            raise Misconfigured(f"{one.name} is used in a browser: {settings.base_url}/{one.name}/")
    if stdio or (client is Client.CLAUDE_DESKTOP and not url):
        return [Way(one.name, environment=environment_of(settings)) for one in served]
    where = _urls(settings, served, url)
    file = header_file.resolve() if header_file else None
    bearer = bearer or (client is Client.INSPECTOR and url is not None)  # the mock provider is not the issuer there
    return [Way(name, found, bearer=bearer, header_file=file) for name, found in where.items()]


def _urls(settings: Settings, served: list[Server], url: str | None) -> dict[str, str]:
    if url is None:
        return {name: at.resource for name, at in serving.addresses(settings, served, alone=False).items()}
    if not url.startswith(("https://", "http://")):
        raise Misconfigured(f"--url is {url!r}: it begins with https://")
    return {one.name: Address.at(one, url.rstrip("/"), alone=False).resource for one in served}


def _print(client: Client, ways: list[Way]) -> None:
    lines = [line for way in ways if (line := command(client, way))]
    if client not in {Client.INSPECTOR, Client.MCP_REMOTE}:
        typer.echo(json.dumps(configuration(client, ways), indent=2))
        lines = ["", *lines] if lines else []
    for line in lines:
        typer.echo(line)


def _write(client: Client, path: Path, ways: list[Way]) -> None:
    names = ", ".join(way.name for way in ways)
    there = path.exists()
    if not merge(path, configuration(client, ways)):
        typer.echo(f"{names}: {path} has them already.")
        return
    kept = f" What was there is in {backup_of(path).name}." if there else ""
    typer.echo(f"{names} added to {path}.{kept} Restart {client} to see them.")


def _take_out(client: Client, path: Path, ways: list[Way]) -> None:
    names = {way.name for way in ways}
    if not path.exists() or not remove(path, client.key, names, {TOKEN_INPUT["id"]}):
        typer.echo(f"{path} has none of {', '.join(sorted(names))}.")
        return
    typer.echo(f"{', '.join(sorted(names))} taken out of {path}. What was there is in {backup_of(path).name}.")


def _try(settings: Settings, ways: list[Way]) -> None:
    """One line a server; exit code 1 unless all are sound."""
    served = servers.over_mcp()
    where = serving.addresses(settings, served, alone=False)
    provider = serving.identity_provider(settings, served, where)

    async def run() -> bool:
        sound = True
        for way in ways:
            ours = way.url is not None and provider is not None and way.url == where[way.server].resource
            found = await check(way, lambda way=way, ours=ours: _token(provider, way) if ours else None)
            typer.echo(f"{'ok ' if found.sound else 'BAD'} {way.server}: {found.said}")
            sound = sound and found.sound
        return sound

    if not asyncio.run(run()):
        sys.exit(1)


def _token(provider: object, way: Way) -> str | None:
    """As the manager persona, who sees every tool."""
    from compose.idp.provider import IdentityProvider  # noqa: PLC0415 - only where it is the issuer

    return provider.mint("manager", way.url) if isinstance(provider, IdentityProvider) and way.url else None
