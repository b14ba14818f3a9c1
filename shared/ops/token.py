"""`mcp-suite token`: a token of the mock identity provider."""

from typing import Annotated, Any

import typer

import servers
from compose.idp.acting import acting
from shared.core.errors import Misconfigured
from shared.ops import serving
from shared.ops.running import read_settings


def token(
    persona: Annotated[str, typer.Argument(help="Who to be: a persona, as `mcp-suite up` lists them, or a machine.")],
    server: Annotated[str, typer.Option(help="The server the token is for.")] = "customers",
    alone: Annotated[bool, typer.Option("--alone", help="For `serve`, which answers at /mcp.")] = False,
    acr: Annotated[str | None, typer.Option(help="How strongly they signed in: aal1 or aal2.")] = None,
    act: Annotated[
        str | None, typer.Option(help="The machine that acts for them; for a machine, the persona who vouches for it.")
    ] = None,
) -> None:
    """Print a ten-minute access token of the mock identity provider."""
    settings = read_settings()
    claims: dict[str, Any] = acting(persona, act) | ({"acr": acr} if acr else {})
    served = [servers.load(server)]
    where = serving.addresses(settings, served, alone=alone)
    provider = serving.identity_provider(settings, served, where)
    if provider is None:
        raise Misconfigured("SUITE_ISSUER names a real provider: get your token there")
    typer.echo(provider.mint(persona, where[server].resource, **claims))
