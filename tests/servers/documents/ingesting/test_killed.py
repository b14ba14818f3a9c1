"""A run that is killed, or interrupted, leaves whole documents, and the next one goes on where it was."""

import os
import signal
import subprocess
import sys
from typing import Any

import anyio
import pytest

from shared.state.roles import Urls
from tests.servers.documents.ingesting.workshop import Workshop
from tests.shell import Shell

pytestmark = pytest.mark.anyio

HELD = """
INSERT INTO documents.documents (tenant_id, id, collection, path, stem, title, summary, media_type, size, digest,
    classification, updated_by)
VALUES ('acme', 'D-' || $1, $1, 'z.md', 'z', '', '', 'text/markdown', 1, 'sha256:x', 'internal', 'ingest:ops')
"""

COMMAND = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # whatever the tests themselves were started with
from shared.ops.cli import main
main()
"""

ENDED = {
    signal.SIGKILL: (-9, [("recovered", "never_happened")]),
    signal.SIGINT: (130, [("outcome", "cancelled"), ("call", "ended")]),
}
"""The exit code, and the records after the second intent."""


def started(shop: Workshop, urls: Urls) -> "subprocess.Popen[bytes]":
    environment = {**os.environ, **Shell.beside(urls, shop.settings.data_dir).env}
    words = ["documents", "ingest", str(shop.root), "--collection", shop.collection, "--workers", "1"]
    return subprocess.Popen(
        [sys.executable, "-c", COMMAND, *words],
        env={name: value for name, value in environment.items() if value is not None},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


@pytest.mark.parametrize("how", ENDED, ids=lambda how: how.name)
async def test_a_run_that_is_ended_leaves_whole_documents_and_the_next_completes(
    shop: Workshop, urls: Urls, how: signal.Signals
) -> None:
    code, ended = ENDED[how]
    shop.put({f"{number:03}.md": f"# {number}\n\n## More\n\nSee [z](z.md).\n" for number in range(60)})
    shop.put({"z.md": "# Z\n"})
    async with shop.admin() as admin:
        holding: Any = admin.transaction()
        await holding.start()
        await admin.execute(HELD, shop.collection)  # whoever writes this path waits for us
        running = started(shop, urls)
        try:
            await shop.until_somebody_waits()
        finally:
            running.send_signal(how)
            assert running.wait(30) == code
        await holding.rollback()
    assert len(await shop.shown()) == 50
    halves = await shop.sql(
        "SELECT d.path FROM documents.documents AS d WHERE collection = $1 AND ("
        " 1 <> (SELECT count(*) FROM documents.versions AS v WHERE v.document_id = d.id)"
        " OR 2 <> (SELECT count(*) FROM documents.sections AS s WHERE s.document_id = d.id)"
        " OR 1 <> (SELECT count(*) FROM documents.links AS l WHERE l.document_id = d.id))",
        shop.collection,
    )
    assert halves == []
    assert {"", "/", "/000.md", "/049.md"} & set(await shop.announced()) == {"", "/000.md", "/049.md"}
    await until_nobody_ingests(shop)
    report = await shop.ingest(by="somebody else")
    assert (report.counts["added"], report.counts["unchanged"]) == (11, 50)
    assert len(await shop.shown()) == 61
    records = await shop.records()
    assert [(each["kind"], each.get("step") or each.get("outcome")) for each in records] == [
        *(("call", "started"), ("intent", None), ("outcome", "ok"), ("intent", None)),
        *ended,
        *(("call", "started"), ("intent", None), ("outcome", "ok"), ("call", "ended")),
    ]


async def until_nobody_ingests(shop: Workshop) -> None:
    """PostgreSQL takes a moment to see that a process is gone."""
    there = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'mcp-suite ingest'"
    with anyio.fail_after(20):
        while (await shop.sql(there))[0]["count"]:
            await anyio.sleep(0.01)
