from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from shared.core.errors import Invalid
from shared.core.opening import Process
from shared.core.server import Server
from shared.core.web import Shown, View, Visit, Web
from tests.board.tools import tools

HERE = Path(__file__).parent


async def notes(visit: Visit) -> Shown:
    found = await visit.run("list_notes")
    return visit.page("notes.html", notes=found["notes"], problem=None)


async def pin(visit: Visit) -> Shown:
    try:
        await visit.run("pin", text=visit.form.get("text", ""))
    except Invalid as problem:
        found = await visit.run("list_notes")
        return visit.page("notes.html", status=422, notes=found["notes"], problem=problem.message)
    return visit.redirect("/", notice="Pinned.")


async def wiping(visit: Visit) -> Shown:
    return visit.page("wipe.html")


async def wipe(visit: Visit) -> Shown:
    await visit.run("wipe", text=visit.form["why"])
    return visit.redirect("/", notice="Wiped.")


async def secrets(visit: Visit) -> Shown:
    found = await visit.run("secrets")
    return visit.page("notes.html", notes=found["notes"], problem=None)


async def crash(visit: Visit) -> Shown:
    await visit.run("crash")
    return visit.redirect("/")


async def export(visit: Visit) -> Shown:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"one\n"
        yield b"two\n"

    return visit.download("notes & more.txt", "text/plain", chunks())


async def events(visit: Visit) -> Shown:
    return visit.events(["note:"])


web = Web(
    views=(
        View("GET", "/", notes),
        View("POST", "/pin", pin),
        View("GET", "/wipe/{what}", wiping),
        View("POST", "/wipe", wipe),
        View("GET", "/secrets", secrets),
        View("GET", "/crash", crash),
        View("GET", "/export", export),
        View("GET", "/events", events),
    ),
    templates=HERE / "templates",
    static=HERE / "static",
    scopes=("board:read", "board:write"),
)


@asynccontextmanager
async def open_board(process: Process) -> AsyncGenerator[dict[str, list[str]]]:
    assert "customers" in process.servers
    yield defaultdict(list[str])


server = Server(
    name="board",
    title="Board",
    version="1.0.0",
    instructions="For tests of pages alone.",
    tools=tools,
    baseline=("board:read",),
    policy=HERE / "policy.cedar",
    web=web,
    open=open_board,
)
