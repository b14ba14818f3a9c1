"""Two links to begin with, for one tenant; the same at every start."""

from shared.state.database import SET_CALLER, connect

LINKS = (
    ("handbook", "https://example.com/handbook", "Handbook"),
    ("status", "https://example.com/status", "Status of all systems"),
)
_SAVE = "INSERT INTO links.links (name, url, title, saved_by) VALUES ($1, $2, $3, 'demo') ON CONFLICT DO NOTHING"


async def seed(owner_url: str) -> None:
    """Put them in, unless they are there; the owner is under row-level security like everybody."""
    connection = await connect(owner_url, "demo")
    try:
        async with connection.transaction():
            await connection.execute(SET_CALLER, "acme", "{}")
            await connection.executemany(_SAVE, LINKS)
    finally:
        await connection.close()
