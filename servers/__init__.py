"""A folder with a `server.py` is a server; adding one needs no other edit."""

from collections.abc import Collection
from importlib import import_module
from pathlib import Path

from shared.core.errors import Misconfigured
from shared.core.server import Server


def names() -> list[str]:
    """Names of all servers, sorted."""
    return sorted(path.parent.name for path in Path(__file__).parent.glob("*/server.py"))


def load(name: str) -> Server:
    """The declaration of one server.

    Raises:
        Misconfigured: There is no such server; the message lists those there are.
    """
    if name not in names():
        raise Misconfigured(f"there is no server {name!r}; there are: {', '.join(names())}")
    server: Server = import_module(f"servers.{name}.server").server
    return server


def revisions() -> dict[str, Path]:
    """The folder of Alembic revisions of every server that keeps tables, by name; imports none of them."""
    folders = {name: Path(__file__).with_name(name) / "migrations" for name in names()}
    return {name: folder for name, folder in folders.items() if folder.is_dir()}


async def seed(owner_url: str, among: Collection[str] | None = None) -> None:
    """Fill the tables of every server that has a `demo.py`, unless they are filled.

    Args:
        owner_url: `postgresql://…` of the owner of the tables.
        among: Only servers with these names.
    """
    for name in names():
        wanted = among is None or name in among
        if wanted and Path(__file__).with_name(name).joinpath("demo.py").exists():
            await import_module(f"servers.{name}.demo").seed(owner_url)


def pages() -> dict[str, str]:
    """Pages of docs/ that servers make of their own code: of every server that has a `pages.py`, by name."""
    made: dict[str, str] = {}
    for name in names():
        if Path(__file__).with_name(name).joinpath("pages.py").exists():
            made |= import_module(f"servers.{name}.pages").pages()
    return made


def every() -> list[Server]:
    """All servers, in order of name."""
    return [load(name) for name in names()]


def over_mcp() -> list[Server]:
    """Those that are offered to programs: all but what people use in a browser (`Server.web`)."""
    return [server for server in every() if server.web is None]
