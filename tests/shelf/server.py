from shared.core.server import Server
from tests.generous import EVERYBODY
from tests.shelf.tools import tools

server = Server(
    name="shelf",
    title="Shelf",
    version="1.0.0",
    instructions="For the tests of reading alone.",
    tools=tools,
    baseline=("shelf:read",),
    policy=EVERYBODY,
)
