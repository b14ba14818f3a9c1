"""What a model can do with links."""

from servers.links import queries
from servers.links.models import Find, Link, Links, SaveLink
from shared.core.errors import Conflict
from shared.core.tool import Call, Risk
from shared.core.toolset import Toolset

tools = Toolset()


@tools.read("links:read")
async def find_links(call: Call, query: Find) -> Links:
    """Find links whose title begins with a word. Use it before save_link."""
    rows = await call.database.rows(queries.FIND, low=query.word, high=f"{query.word}\U0010ffff")
    return Links(links=[Link(**row) for row in rows])


@tools.write("links:write", risk=Risk.LOW)
async def save_link(call: Call, query: SaveLink) -> Link:
    """Save a link under a name nobody has used yet."""
    if await call.transaction.row(queries.ONE, name=query.name):
        raise Conflict(f"There is a link {query.name} already. Choose another name.")
    saved_by = call.caller.subject
    rows = await call.transaction.rows(
        queries.SAVE, new_name=query.name, url=query.url, title=query.title, saved_by=saved_by
    )
    return Link(**rows[0])
