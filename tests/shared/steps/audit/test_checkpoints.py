"""How far a chain went is stated outside the database: whoever cuts its end off there is found out."""

import base64
import io
import json
import logging
import sys
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import anyio
import pytest
import structlog
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from shared.core import metrics
from shared.core.errors import Misconfigured
from shared.core.settings import Settings
from shared.ops.logs import configure
from shared.state.keys import KeyRing
from shared.state.roles import Urls
from shared.steps.audit.chain import Head, canonical
from shared.steps.audit.checkpoints import Anchor, anchored, read, signed
from shared.steps.audit.verify import Report, verify
from shared.steps.audit.writer import Writer, open_writer
from tests.harness import Databases, _connect  # pyright: ignore[reportPrivateUsage]
from tests.pgbouncer import straight

pytestmark = pytest.mark.anyio

RING = KeyRing([b"a" * 32])
OTHERS = KeyRing([b"b" * 32])
HEAD = Head(uuid4(), 7, b"h" * 32)


@pytest.fixture
async def urls(databases: Databases) -> Urls:
    return await databases.fresh()


def kept_in(folder: Path) -> list[int]:
    """How far chains go, by the checkpoints of a folder."""
    return [json.loads(path.read_bytes())["seq"] for path in folder.iterdir()]


@asynccontextmanager
async def chain(urls: Urls, folder: Path, **settings: Any) -> AsyncGenerator[Writer]:
    async with open_writer(straight(urls.app), RING, Settings(data_dir=folder, **settings)) as writer:
        for _ in range(4):
            await writer.write({"v": 1, "id": str(uuid4()), "at": "2026-11-21T00:00:00.000000+00:00", "kind": "call"})
        yield writer


async def verified(urls: Urls, *places: Path, ring: KeyRing = RING) -> Report:
    connection = await _connect(urls.reader)
    try:
        return await verify(connection, ring, [found for place in places for found in read(place)])
    finally:
        await connection.close()


async def cut(databases: Databases, urls: Urls, statement: str) -> None:
    connection = await _connect(urlsplit(databases.admin_url)._replace(path=urlsplit(urls.app).path).geturl())
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def kept(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in (folder / "checkpoints").glob("*.json")]


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM suite.audit WHERE seq > 2",
        "DELETE FROM suite.audit; DELETE FROM suite.audit_chain",
        "DELETE FROM suite.audit WHERE seq = 4",
    ],
)
async def test_the_end_of_the_newest_chain_cut_off_is_found(
    databases: Databases, urls: Urls, tmp_path: Path, statement: str
) -> None:
    async with chain(urls, tmp_path) as writer:
        assert writer.head is not None
        last = f"{writer.head.chain}/4"
    whole = await verified(urls, tmp_path / "checkpoints")
    assert (whole.problems, whole.checkpoints, whole.records) == ([], 1, 5)
    await cut(databases, urls, statement)
    assert (await verified(urls)).problems == [], "the database alone cannot tell"
    (problem,) = (await verified(urls, tmp_path / "checkpoints")).problems
    assert problem.where == last
    assert "gone or changed" in problem.what


async def test_a_process_states_it_while_it_runs_and_needs_no_orderly_end(urls: Urls, tmp_path: Path) -> None:
    async with chain(urls, tmp_path, audit_checkpoint_s=0.05) as writer:
        with anyio.fail_after(10):
            while [stated["seq"] for stated in kept(tmp_path)] != [4]:
                await anyio.sleep(0.01)
        (stated,) = kept(tmp_path)
        assert writer.head is not None
        assert (stated["chain"], stated["hash"]) == (str(writer.head.chain), writer.head.hash.hex())
        assert (await verified(urls, tmp_path / "checkpoints")).problems == []


async def test_each_chain_keeps_its_newest_statement_alone(urls: Urls, tmp_path: Path) -> None:
    for _ in range(2):
        async with chain(urls, tmp_path, audit_checkpoint_s=0.01):
            pass
    assert [stated["seq"] for stated in kept(tmp_path)] == [4, 4]
    assert (await verified(urls, tmp_path / "checkpoints")).checkpoints == 2


SPOILT: list[tuple[Callable[[dict[str, Any]], Any], str]] = [
    (lambda stated: stated | {"seq": 3}, "signature"),
    (lambda stated: stated | {"hash": "00" * 32}, "signature"),
    (lambda stated: signed(HEAD, OTHERS), "not a key of the ring"),
    (lambda stated: stated | {"signature": "no"}, "it is not a checkpoint"),
    (lambda stated: {"seq": 3}, "it is not a checkpoint"),
    (lambda stated: "what?", "it is not a checkpoint"),
]


@pytest.mark.parametrize(("spoil", "said"), SPOILT)
async def test_a_statement_that_was_spoilt_is_a_finding(
    urls: Urls, tmp_path: Path, spoil: Callable[[dict[str, Any]], Any], said: str
) -> None:
    async with chain(urls, tmp_path):
        pass
    (path,) = [tmp_path / "checkpoints" / f"{stated['chain']}.json" for stated in kept(tmp_path)]
    path.write_text(json.dumps(spoil(json.loads(path.read_text()))))
    (problem,) = (await verified(urls, tmp_path / "checkpoints")).problems
    assert problem.where == f"checkpoint {path.name}:1"
    assert said in problem.what


async def test_statements_under_a_retired_key_still_count(urls: Urls, tmp_path: Path) -> None:
    async with chain(urls, tmp_path):
        pass
    rotated = KeyRing([b"b" * 32, b"a" * 32])
    found = await verified(urls, tmp_path / "checkpoints", ring=rotated)
    assert (found.problems, found.checkpoints) == ([], 1)


async def test_an_auditor_needs_the_public_key_alone() -> None:
    stated = signed(HEAD, RING)
    signature = base64.b64decode(stated.pop("signature"))
    public = Ed25519PublicKey.from_public_bytes(RING.public_keys()[stated["key_id"]])
    public.verify(signature, canonical(stated))
    with pytest.raises(InvalidSignature):
        public.verify(signature, canonical(stated | {"seq": 6}))


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Generator[io.StringIO]:
    root = logging.getLogger()
    before = structlog.get_config(), [*root.handlers], root.level
    stream = io.StringIO()
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stderr", stream)
        configure("INFO")
    yield stream
    structlog.configure(**before[0])
    root.handlers[:], root.level = before[1], before[2]


async def test_the_log_of_a_fleet_states_it_too_and_can_be_verified_by(
    databases: Databases, urls: Urls, tmp_path: Path, log: io.StringIO
) -> None:
    async with chain(urls, tmp_path) as writer:
        structlog.get_logger("audit").info("something else", about="nothing")
        await writer.state(Anchor(tmp_path / "checkpoints", RING, logged=True))
    log.write("what another program wrote\n")
    shipped = tmp_path / "shipped.log"
    shipped.write_text(log.getvalue())
    found = await verified(urls, shipped)
    assert (found.problems, found.checkpoints) == ([], 1)
    await cut(databases, urls, "DELETE FROM suite.audit WHERE seq > 2")
    assert [problem.what[:15] for problem in (await verified(urls, shipped)).problems] == ["gone or changed"]


async def test_a_folder_of_logs_is_read_and_one_without_any_checkpoint_is_no_reason_to_be_calm(tmp_path: Path) -> None:
    logs, others = tmp_path / "logs", tmp_path / "others"
    for folder in (logs, others):
        folder.mkdir()
        (folder / "idle.log").write_text('{"event": "something else"}\n')
    (logs / "one.log").write_text(json.dumps({"event": "checkpoint", "checkpoint": signed(HEAD, RING)}) + "\n")
    assert [where for where, _ in anchored(Settings(), [logs, others])] == ["one.log:1"]
    with pytest.raises(Misconfigured, match="others: no checkpoint is there"):
        anchored(Settings(), [others])
    assert anchored(Settings(data_dir=others), []) == []


async def test_a_folder_that_cannot_be_written_is_counted_and_stops_nobody(urls: Urls, tmp_path: Path) -> None:
    in_the_way = tmp_path / "checkpoints"
    in_the_way.write_text("a file where the folder should be")
    before = metrics.AUDIT_CHECKPOINTS.value("failed")
    async with chain(urls, tmp_path) as writer:
        assert writer.head is not None
        assert writer.head.seq == 4
    assert metrics.AUDIT_CHECKPOINTS.value("failed") > before


async def test_nothing_is_stated_twice(tmp_path: Path) -> None:
    anchor = Anchor(tmp_path, RING, logged=False)
    await anchor.state(HEAD)
    path = tmp_path / f"{HEAD.chain}.json"
    first = path.read_bytes()
    await anchor.state(replace(HEAD))
    assert path.read_bytes() == first
    await anchor.state(replace(HEAD, seq=8))
    assert json.loads(path.read_bytes())["seq"] == 8


async def test_an_end_stated_amid_another_statement_waits_for_it(tmp_path: Path) -> None:
    anchor, before = Anchor(tmp_path, RING, logged=False), metrics.AUDIT_CHECKPOINTS.value("failed")
    async with anyio.create_task_group() as tasks:
        for seq in range(40):
            tasks.start_soon(anchor.state, replace(HEAD, seq=seq))
    assert metrics.AUDIT_CHECKPOINTS.value("failed") == before
    assert kept_in(tmp_path) == [39]
