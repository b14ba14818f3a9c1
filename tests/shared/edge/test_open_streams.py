"""A stream that is opened just as its caller is stopped."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import anyio
import pytest

from shared.core.caller import Caller
from shared.edge.open_streams import OpenStreams
from shared.state.switches import Switch, Switches

pytestmark = pytest.mark.anyio

ANN = Caller(subject="ann", issuer="i", client="desk", tenant="acme", scopes=frozenset(), token_id="jti-1")
EMPTY: dict[str, Any] = {"server": None, "name": None, "tenant": None, "issuer": None}
ABOUT: dict[str, Any] = {"reason": "a leak", "set_by": "ops", "set_at": datetime(2026, 11, 21, tzinfo=UTC)}


@pytest.mark.parametrize(
    ("switch", "why"),
    [
        (Switch(id=1, kind="tenant", **{**EMPTY, "tenant": "acme"}, **ABOUT), "suspended"),
        (Switch(id=1, kind="token", **{**EMPTY, "name": "jti-1"}, **ABOUT), "revoked"),
    ],
)
async def test_it_ends_at_once_though_word_came_before_it_was_open(switch: Switch, why: str) -> None:
    switches = Switches()
    streams = OpenStreams(10, switches=switches)
    switches.replace([switch])  # after the pipeline looked, and with no stream to end yet
    with anyio.fail_after(5), streams.open(ANN) as stream:
        await anyio.sleep_forever()
    assert (stream.ended, len(streams)) == (why, 0)
    with streams.open(replace(ANN, tenant="globex", token_id="jti-2")) as spared:
        await anyio.lowlevel.checkpoint()
    assert spared.ended is None
