"""Who watches a document, a folder it is in or its collection is told of what changes it, and of nothing else.

Of what is not there any more nothing is told.
"""

from typing import Any

import anyio
import pytest
from mcp.client.subscriptions import ResourceUpdated

from tests.harness import Suite
from tests.servers.documents.desk import Desk, some_collection

pytestmark = pytest.mark.anyio


async def test_every_write_is_told_of_by_the_document_and_all_that_is_above_it(suite: Suite) -> None:
    where, desk = some_collection(), Desk(suite)
    base = f"doc://{where}"
    uri, other, moved, end = (f"{base}/{path}" for path in ("a/b/c.md", "z/d.md", "m/n.md", "end.md"))
    for each in (uri, f"{base}/a/b/kept.md", other, end):
        await desk.put(each)
    watched = [base, f"{base}/a/", f"{base}/a/b/", f"{base}/z/", uri, other, end]
    heard: list[set[str]] = []

    async with (
        suite.connect("support", server="documents") as client,
        client.listen(resource_subscriptions=watched) as stream,
    ):
        events = aiter(stream)

        async def told(number: int) -> set[str]:
            with anyio.fail_after(10):
                found: list[Any] = [await anext(events) for _ in range(number)]
            return {event.uri if isinstance(event, ResourceUpdated) else repr(event) for event in found}

        above = {base, f"{base}/a/", f"{base}/a/b/"}
        await desk.call("put_document", uri=uri, content="# Dry\n", if_version=1, dry_run=True)
        await desk.call("put_document", uri=uri, content="# Stale\n", if_version=7)
        await desk.put(uri, "# New\n", if_version=1)
        heard.append(await told(4))
        archived = await desk.call("archive_document", uri=uri, if_version=2)
        heard.append(await told(3))  # not of the document itself
        await desk.call("restore_document", document_id=archived["document_id"])
        heard.append(await told(3))
        await desk.call("restore_document", document_id=archived["document_id"])  # it is there already
        await desk.put(f"{base}/a/new.md")
        heard.append(await told(2))
        await desk.call("move_document", uri=other, if_version=1, to=moved)
        heard.append(await told(1))  # nothing is left in the folder either
        await desk.put(end, "# End\n", if_version=1)
        heard.append(await told(2))
    assert heard == [{uri, *above}, above, above, {base, f"{base}/a/"}, {base}, {base, end}]
