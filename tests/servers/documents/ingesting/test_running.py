"""A collection follows its folder: what is new, changed or gone there is so here, and nothing else is touched."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

import anyio
import pytest

from servers.documents.ingesting.reporting import Report
from shared.core.errors import Conflict, Invalid, Unavailable
from shared.state.alone import alone
from tests.servers.documents.ingesting.workshop import Workshop
from tests.servers.documents.stock import stock

pytestmark = pytest.mark.anyio

FILES: Mapping[str, str | bytes] = {
    "index.md": "---\ntitle: Home\ntags: [start]\n---\n\nSee [travel](travel/rules) and [plain](notes.txt).\n",
    "travel/rules.mdx": "# Travel rules\n\nBook early.\n\n## Trains\n\nSecond class.\n",
    "notes.txt": "Just words, also — dashes and ‘quotes’ and a \\ backslash.\n",
    "travel/deep/page.html": "<html><head><title>A page</title></head><body><h1>Page</h1><p>Body.</p></body></html>",
    "LICENSE": "Licence text.\n",
}


def counts(report: Report) -> dict[str, int]:
    return {what: count for what, count in report.counts.items() if count and what != "found"}


async def test_a_new_folder_becomes_documents_and_a_second_run_changes_nothing(shop: Workshop) -> None:
    shop.put(FILES)
    first = await shop.ingest()
    assert counts(first) == {"added": 5}
    assert (first.found, sorted(first.changes["added"])) == (5, sorted(FILES))
    shown = await shop.shown()
    assert {path: row["title"] for path, row in shown.items()} == {
        **{"index.md": "Home", "travel/rules.mdx": "Travel rules", "notes.txt": "Notes"},
        **{"travel/deep/page.html": "A page", "LICENSE": "LICENSE"},
    }
    assert await shop.announced() == [
        "",
        *("/LICENSE", "/index.md", "/notes.txt"),
        *("/travel/", "/travel/deep/", "/travel/deep/page.html", "/travel/rules.mdx"),
    ]
    before = await shop.state()
    second = await shop.ingest()
    assert (counts(second), second.read) == ({"unchanged": 5}, first.read)
    assert await shop.state() == before


async def test_what_is_stored_is_what_a_call_would_have_stored(shop: Workshop) -> None:
    shop.put(FILES)
    await shop.ingest()
    other = f"{shop.collection}-b"
    await stock(shop.urls, other, {path: str(content).encode() for path, content in FILES.items()})
    ours = {"id", "document_id", "created_at", "updated_at", "written_at", "updated_by", "written_by"}
    for table in ("documents", "versions", "sections", "links"):
        key = "id" if table == "documents" else "document_id"
        sql = (
            f"SELECT d.path AS of, t.* FROM documents.documents AS d JOIN documents.{table} AS t ON t.{key} = d.id"
            " WHERE d.collection = $1"
        )
        mine, theirs = [
            sorted(
                repr({name: str(value).replace(collection, "C") for name, value in row.items() if name not in ours})
                for row in await shop.sql(sql, collection)
            )
            for collection in (shop.collection, other)
        ]
        assert mine == theirs
        assert mine, table


async def test_editing_one_file_is_one_new_version_and_tells_of_one_document(shop: Workshop) -> None:
    shop.put(FILES)
    await shop.ingest()
    before, _ = await shop.shown(), await shop.announced()
    shop.put({"travel/rules.mdx": "# Travel rules\n\nBook late.\n"})
    report = await shop.ingest()
    assert (counts(report), report.changes["changed"]) == ({"changed": 1, "unchanged": 4}, ["travel/rules.mdx"])
    assert await shop.announced() == ["", "/travel/", "/travel/rules.mdx"]
    after = await shop.shown()
    assert {path for path, row in after.items() if row != before[path]} == {"travel/rules.mdx"}
    document = after["travel/rules.mdx"]
    assert (document["id"], document["version"]) == (before["travel/rules.mdx"]["id"], 2)
    versions = await shop.sql(
        "SELECT version, text, written_by FROM documents.versions WHERE document_id = $1 ORDER BY version",
        document["id"],
    )
    assert [(row["version"], "Book early" in row["text"], row["written_by"]) for row in versions] == [
        (1, True, "ingest:ops"),
        (2, False, "ingest:ops"),
    ]
    sections = await shop.sql("SELECT anchor FROM documents.sections WHERE document_id = $1", document["id"])
    assert [row["anchor"] for row in sections] == ["travel-rules"]


async def test_other_options_are_a_new_version_of_each_and_the_same_again_are_none(shop: Workshop) -> None:
    shop.put({"a.md": "---\ntags: [own]\n---\n\n# A\n", "b.md": "# B\n"})
    await shop.ingest(labels=["hr"])
    steps: list[tuple[dict[str, Any], dict[str, int], dict[str, list[str]]]] = [
        ({"labels": ["hr"]}, {"unchanged": 2}, {"a.md": ["hr", "own"], "b.md": ["hr"]}),
        ({}, {"changed": 2}, {"a.md": ["own"], "b.md": []}),
        ({}, {"unchanged": 2}, {"a.md": ["own"], "b.md": []}),
        ({"labels": ["own"]}, {"changed": 1, "unchanged": 1}, {"a.md": ["own"], "b.md": ["own"]}),
    ]
    for options, expected, labels in steps:
        assert counts(await shop.ingest(**options)) == expected
        assert {path: row["labels"] for path, row in (await shop.shown()).items()} == labels
    for guarded in (("restricted", "role:a"), ("restricted", "role:b"), ("public", "role:b", "user:ann"), ("public",)):
        assert counts(await shop.ingest(*guarded)) == {"changed": 2}
        assert counts(await shop.ingest(*guarded)) == {"unchanged": 2}
    shown = await shop.shown()
    assert {path: (row["classification"], row["readers"], row["version"]) for path, row in shown.items()} == {
        "a.md": ("public", ["tenant"], 6),
        "b.md": ("public", ["tenant"], 7),
    }


async def test_what_vanished_is_reported_and_put_away_only_if_asked(shop: Workshop) -> None:
    shop.put({"a.md": "# A\n", "b.md": "# B\n", "sub/c.md": "# C\n"})
    await shop.ingest()
    ids = {path: row["id"] for path, row in (await shop.shown()).items()}
    await shop.announced()
    (shop.root / "a.md").unlink()
    (shop.root / "sub/c.md").rename(shop.root / "sub/renamed.md")
    before = await shop.state()
    tried = await shop.ingest(prune=True, dry_run=True)
    assert (counts(tried), await shop.state()) == ({"added": 1, "archived": 2, "unchanged": 1, "vanished": 2}, before)
    kept = await shop.ingest()
    assert (counts(kept), kept.vanished) == ({"added": 1, "unchanged": 1, "vanished": 2}, ["a.md", "sub/c.md"])
    assert set(await shop.shown()) == {"a.md", "b.md", "sub/c.md", "sub/renamed.md"}
    await shop.announced()
    assert counts(await shop.ingest(prune=True)) == {"archived": 2, "unchanged": 2, "vanished": 2}
    assert set(await shop.shown()) == {"b.md", "sub/renamed.md"}
    assert await shop.announced() == ["", "/a.md", "/sub/", "/sub/c.md"]
    assert counts(await shop.ingest(prune=True)) == {"unchanged": 2}
    shop.put({"a.md": "# A is back\n", "sub/c.md": "# C\n"})
    assert counts(await shop.ingest()) == {"restored": 2, "unchanged": 2}
    back = await shop.shown()
    assert {path: (row["id"], row["version"]) for path, row in back.items() if path in {"a.md", "sub/c.md"}} == {
        path: (ids[path], 2) for path in ("a.md", "sub/c.md")
    }


async def test_most_of_a_collection_is_put_away_only_with_consent(shop: Workshop) -> None:
    shop.put({f"{number}.md": f"# {number}\n" for number in range(7)})
    await shop.ingest()
    for number in range(6):
        (shop.root / f"{number}.md").unlink()
    with pytest.raises(Invalid, match=r"^6 of 7 documents .* repeat the command with --yes; nothing was changed"):
        await shop.ingest(prune=True)
    assert len(await shop.shown()) == 7
    assert counts(await shop.ingest(prune=True, agreed=True)) == {"archived": 6, "unchanged": 1, "vanished": 6}


async def test_a_file_that_is_there_and_cannot_be_taken_keeps_its_document(shop: Workshop) -> None:
    shop.put({"a.md": "# A\n", "sub/b.md": "# B\n", "c.md": "# C\n"})
    await shop.ingest()
    shop.put({"a.md": b"# Caf\xe9\n"})
    (shop.root / "sub").rename(shop.root / "away")
    (shop.root / "sub").symlink_to("away")
    report = await shop.ingest(prune=True)
    assert {each.path: each.code for each in report.skipped} == {"a.md": "encoding", "sub": "link"}
    assert (counts(report)["added"], report.vanished) == (1, [])
    assert set(await shop.shown()) == {"a.md", "sub/b.md", "c.md", "away/b.md"}


async def test_what_people_did_through_the_server_counts_unless_told_otherwise(shop: Workshop) -> None:
    shop.put({"edited.md": "# Edited\n", "away.md": "# Away\n", "same.md": "# Same\n"})
    await shop.ingest()
    by = "UPDATE documents.documents SET updated_by = 'ann', {} WHERE collection = $1 AND path = $2"
    await shop.sql(by.format("version = 2, digest = 'sha256:other'"), shop.collection, "edited.md")
    await shop.sql(by.format("archived_at = now()"), shop.collection, "away.md")
    await stock(shop.urls, shop.collection, {"hers.md": b"# Hers\n"})
    report = await shop.ingest(prune=True)
    assert {each.path: each.code for each in report.skipped} == {"edited.md": "edited", "away.md": "archived"}
    assert (report.counts["unchanged"], report.vanished) == (1, [])
    shop.put({"hers.md": "# Ours\n"})
    assert {each.code for each in (await shop.ingest()).skipped} == {"edited", "archived"}
    over = await shop.ingest(overwrite=True)
    assert counts(over) == {"changed": 2, "restored": 1, "unchanged": 1}
    shown = await shop.shown()
    assert {path: row["title"] for path, row in shown.items()} == {
        **{"edited.md": "Edited", "away.md": "Away", "same.md": "Same", "hers.md": "Ours"}
    }


NARROWED = {
    "plain.md": ("# A\n", ("internal", ["role:hr", "role:it"])),
    "stricter.md": ("---\nclassification: Confidential\n---\n# A\n", ("confidential", ["role:hr", "role:it"])),
    "looser.md": ("---\nclassification: public\n---\n# A\n", ("internal", ["role:hr", "role:it"])),
    "fewer.md": ("---\nreaders: [role:hr]\n---\n# A\n", ("internal", ["role:hr"])),
    "more.md": ("---\nreaders: [role:hr, role:all]\n---\n# A\n", ("internal", ["role:hr"])),
    "everybody.md": ("---\nreaders: tenant\n---\n# A\n", ("internal", ["role:hr", "role:it"])),
    "both.mdx": ("---\nclassification: restricted\nreaders: role:it\n---\n# A\n", ("restricted", ["role:it"])),
    "unknown.md": ("---\nclassification: top secret\n---\n# A\n", "classification"),
    "a list.md": ("---\nclassification: [restricted]\n---\n# A\n", "classification"),
    "nothing.md": ("---\nclassification:\n---\n# A\n", "classification"),
    "unreadable.md": ("---\nclassification: restricted\nbad: [\n---\n# A\n", "classification"),
    "endless.md": ("---\nreaders: role:hr\n# A\n", "classification"),
    "nobody.md": ("---\nreaders: [role:x]\n---\n# A\n", "readers"),
    "no readers.md": ("---\nreaders: []\n---\n# A\n", "readers"),
    "no reader.md": ("---\nreaders: [everyone]\n---\n# A\n", "readers"),
    "a mapping.md": ("---\nreaders: {role: hr}\n---\n# A\n", "readers"),
}


async def test_front_matter_can_ask_for_more_secrecy_and_never_for_less(shop: Workshop) -> None:
    shop.put({path: text for path, (text, _) in NARROWED.items()})
    report = await shop.ingest("internal", "role:hr", "role:it")
    found = {path: (row["classification"], row["readers"]) for path, row in (await shop.shown()).items()}
    assert found | {each.path: each.code for each in report.skipped} == {
        path: outcome for path, (_, outcome) in NARROWED.items()
    }
    assert counts(await shop.ingest("internal", "role:hr", "role:it")) == {"unchanged": 7, "skipped": 9}


async def test_restricted_front_matter_needs_named_readers(shop: Workshop) -> None:
    shop.put({"a.md": "---\nclassification: restricted\n---\n# A\n"})
    assert [each.code for each in (await shop.ingest()).skipped] == ["readers"]
    with pytest.raises(Invalid, match="Restricted documents name their readers"):
        await shop.ingest("restricted")
    with pytest.raises(Invalid, match="A reader is tenant, role:NAME or user:SUBJECT"):
        await shop.ingest("internal", "everyone")


async def test_two_at_once_do_not_run_and_the_second_is_told(shop: Workshop) -> None:
    shop.put({"a.md": "# A\n"})
    async with alone(shop.urls.app, "ingest", "acme", shop.collection):
        with pytest.raises(Conflict, match=f"Another ingest of acme/{shop.collection} is running"):
            await shop.ingest()
        assert counts(await shop.ingest(dry_run=True)) == {"added": 1}
    assert counts(await shop.ingest()) == {"added": 1}


HERS = """
INSERT INTO documents.documents (tenant_id, id, collection, path, stem, title, summary, media_type, size, digest,
    classification, readers, updated_by)
VALUES ('acme', 'D-' || $1, $1, $2, 'a', 'Hers', '', 'text/markdown', 1, 'sha256:x', 'restricted', $3, 'ann')
"""


async def test_documents_for_other_eyes_are_not_overlooked(shop: Workshop) -> None:
    shop.put({"a.md": "# A\n", "b.md": "# B\n"})
    await shop.sql(HERS, shop.collection, "a.md", ["role:secret"])
    report = await shop.ingest()
    assert [(each.path, each.code) for each in report.skipped] == [("a.md", "edited")]
    assert {path: row["title"] for path, row in (await shop.shown()).items()} == {"a.md": "Hers", "b.md": "B"}


async def test_what_people_do_meanwhile_is_left_as_they_did_it(shop: Workshop) -> None:
    shop.put({"old.md": "# Old\n", "other.md": "# Other\n"})
    await shop.ingest()
    shop.put({"old.md": "# Newer\n", "new.md": "# New\n", "fine.md": "# Fine\n"})
    reports: list[Report] = []

    async def run() -> None:
        reports.append(await shop.ingest())

    hers = "UPDATE documents.documents SET version = 2, title = 'Hers' WHERE collection = $1 AND path = 'old.md'"
    async with anyio.create_task_group() as tasks, shop.admin() as admin, admin.transaction():
        await admin.execute("LOCK TABLE documents.documents IN EXCLUSIVE MODE")
        tasks.start_soon(run)
        await shop.until_somebody_waits()
        await admin.execute(HERS, shop.collection, "new.md", ["role:secret"])
        await admin.execute(hers, shop.collection)
    (report,) = reports
    assert {each.path: each.code for each in report.skipped} == {"new.md": "taken", "old.md": "moving"}
    assert counts(report) == {"added": 1, "unchanged": 1, "skipped": 2}
    assert {path: row["title"] for path, row in (await shop.shown()).items()} == {
        **{"new.md": "Hers", "old.md": "Hers", "other.md": "Other", "fine.md": "Fine"}
    }
    *_, outcome, _ = await shop.records()
    assert [each["uri"] for each in outcome["documents"]] == [f"doc://{shop.collection}/fine.md"]


async def test_nothing_is_written_by_a_dry_run_but_that_it_was_made(shop: Workshop) -> None:
    shop.put({**FILES, "bad.docx": b"x"})
    before = await shop.state()
    report = await shop.ingest(dry_run=True)
    assert (counts(report), await shop.state()) == ({"added": 5, "skipped": 1}, before)
    started, ended = await shop.records()
    assert (started["arguments"]["dry_run"], started["step"], ended["step"]) == (True, "started", "ended")


async def test_every_run_and_every_batch_is_recorded_before_it_is_done(shop: Workshop) -> None:
    shop.put({f"{number:03}.md": f"# {number}\n" for number in range(60)})
    shop.put({"ann@acme.example.md": "# Ann\n"})
    report = await shop.ingest("confidential", "role:hr")
    records = await shop.records()
    assert [(each["kind"], each.get("step"), each.get("outcome")) for each in records] == [
        ("call", "started", "ok"),
        ("intent", None, None),
        ("outcome", None, "ok"),
        ("intent", None, None),
        ("outcome", None, "ok"),
        ("call", "ended", "ok"),
    ]
    shared = {(each["tenant"], each["subject"], each["issuer"], each["server"], each["run"]) for each in records}
    assert shared == {("acme", "ops", "stdio", "documents", report.run)}
    assert records[0]["arguments"] == {
        **{"folder": "[path]", "classification": "confidential", "readers": ["role:hr"], "labels": []},
        **{"prune": False, "overwrite": False, "dry_run": False, "agreed": False},
    }
    ledger = await shop.sql(
        "SELECT answer IS NOT NULL AS kept FROM suite.ledger WHERE intent = ANY($1)",
        [UUID(each["intent"]) for each in records if each["kind"] == "intent"],
    )
    assert [row["kept"] for row in ledger] == [True, True]  # what tells that they were done, should nobody else
    assert (records[-1]["counts"]["added"], records[-1]["counts"]["found"]) == (61, 61)
    shown = await shop.shown()
    first, second = records[2]["documents"], records[4]["documents"]
    assert (len(first), len(second), records[1]["documents"]) == (50, 11, first)
    assert {(each["id"], each["digest"], each["version"], each["change"]) for each in (*first, *second)} == {
        (row["id"], row["digest"], 1, "added") for row in shown.values()
    }
    assert f"doc://{shop.collection}/007.md" in {each["uri"] for each in (*first, *second)}
    assert not [each["uri"] for each in (*first, *second) if "ann@" in each["uri"]]


async def test_what_cannot_be_recorded_is_not_done(shop: Workshop) -> None:
    shop.put({"a.md": "# A\n"})
    await shop.sql("ALTER TABLE suite.audit ADD CONSTRAINT no_intents CHECK (kind <> 'intent') NOT VALID")
    try:
        with pytest.raises(Unavailable, match="The audit store cannot be reached"):
            await shop.ingest()
    finally:
        await shop.sql("ALTER TABLE suite.audit DROP CONSTRAINT no_intents")
    assert await shop.shown() == {}
    assert counts(await shop.ingest()) == {"added": 1}


@pytest.mark.parametrize("name", ["", "Hand", "a b", "a/b", "..", "x" * 65, "a\n", "ä"])
async def test_a_collection_has_a_name_that_a_uri_can_have(shop: Workshop, name: str) -> None:
    with pytest.raises(Invalid, match="A collection is named by small letters"):
        await replace(shop, collection=name).ingest()
