"""`mcp-suite doctor SERVER`, and beside it `mcp-suite doctor auth`."""

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import servers
from shared.core.errors import Misconfigured
from shared.ops.doctor import examine_server, show
from shared.ops.running import complete, read_settings
from shared.ops.token_doctor.command import auth

_SERVER = "SERVER"
_NAME_MOST = 40


class _ServerByName(TyperGroup):
    """A group in which whatever is no command names a server."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in {*self.commands, "--help"}:
            args = [_SERVER, *args]
        return super().parse_args(ctx, args)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, command, rest = super().resolve_command(ctx, args)
        return "" if name == _SERVER else name, command, rest


app = typer.Typer(
    cls=_ServerByName,
    no_args_is_help=True,
    help="What is wrong? `doctor SERVER [--tenant TENANT]` looks at its database, `doctor auth` at an access token.",
)


@app.command(_SERVER)
def doctor(
    server: Annotated[str, typer.Argument(help="One of the folders under servers/.")],
    tenant: Annotated[str | None, typer.Option(help="As whom to look at the rows of your own database.")] = None,
) -> None:
    """Check the database behind a server, line by line; exit code 1 if there is a problem."""
    if len(server) > _NAME_MOST:  # a token most likely, so it is not repeated
        raise Misconfigured("there is no such server; a token is for `mcp-suite doctor auth`, on its standard input")
    settings = read_settings()

    async def run() -> None:
        findings = await examine_server(settings, servers.load(server), tenant)
        if not show(findings, typer.echo):
            raise typer.Exit(1)

    complete(run)


# Words it does not know may be a token: it refuses them itself, without repeating them.
app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(auth)
