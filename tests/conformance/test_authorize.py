from contextlib import ExitStack

import pytest

from tests.clients.node.npm import node
from tests.conformance.loopback import Handler, listening
from tests.conformance.scenarios import FOLDER

pytestmark = pytest.mark.anyio

PROGRAM = """
import http from 'node:http';
for (const url of process.argv.slice(1)) {
  await (await fetch(url, { method: 'POST', body: '{}' })).text();
  await new Promise((done) => http.request(url, { method: 'POST' }, (answer) => answer.resume().on('end', done)).end());
}
"""


def noting(seen: list[str | None]) -> type[Handler]:
    """Keeps the Authorization header of each request it gets."""

    class Noting(Handler):
        def do_POST(self) -> None:  # noqa: N802 - the base class's name
            seen.append(self.headers.get("Authorization"))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

    return Noting


async def test_fetch_and_http_carry_the_token_to_its_origin_and_nowhere_else() -> None:
    to_us: list[str | None] = []
    to_them: list[str | None] = []
    with ExitStack() as stack:
        ours, theirs = (stack.enter_context(listening(noting(seen))) for seen in (to_us, to_them))
        loaded = ["--import", (FOLDER / "authorize.mjs").as_uri(), "--input-type=module", "--eval", PROGRAM]
        env = {"AUTHORIZE_URL": f"{ours}mcp", "AUTHORIZE_TOKEN": "secret"}
        code, _, errors = await node(*loaded, ours, theirs, env=env, within_s=30)
    assert code == 0, errors
    assert to_us == ["Bearer secret"] * 2
    assert to_them == [None] * 2
