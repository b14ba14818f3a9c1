"""Migrations expand first and contract later: the release before works on this one's tables (docs/upgrade.md)."""

from pathlib import Path

import pytest

import servers
from shared.core.releases import Release, parts, this_release
from shared.state.revisions import SUITE_REVISIONS, newest_revision
from tests.contracts.migrations import Revision, objections, read, split

FOLDERS = {"suite": SUITE_REVISIONS} | {each.name: each.migrations for each in servers.every() if each.migrations}


def before() -> Release:
    release = this_release().after
    assert release is not None
    return release


def newer(schema: str) -> list[Path]:
    """The revisions of a schema that the release before this one did not have."""
    return sorted(
        path
        for path in FOLDERS[schema].glob("[0-9]*_*.py")
        if path.name.partition("_")[0] > before().heads.get(schema, "")
    )


NEW = [path for schema in FOLDERS for path in newer(schema)]


def refusals(revision: Revision) -> list[str]:
    """What is wrong with a revision: it contracts and does not say so, or too early."""
    found = objections(revision)
    if revision.contracts is None:
        return found
    if parts(revision.contracts) >= parts(before().version):
        return [f"{revision.name}: {revision.contracts} may still run beside us: contract a release later"]
    return []


def test_this_release_names_the_heads_there_are() -> None:
    assert {schema: newest_revision(folder) for schema, folder in FOLDERS.items()} == this_release().heads


def test_the_release_before_is_named_with_its_commit_and_no_newer_heads() -> None:
    assert before().commit
    assert parts(before().version) < parts(this_release().version)
    assert all(head <= this_release().heads[schema] for schema, head in before().heads.items())


@pytest.mark.parametrize("path", NEW, ids=lambda path: f"{path.parts[-3]}-{path.stem}")
def test_a_new_revision_only_adds_or_takes_away_what_no_running_release_uses(path: Path) -> None:
    revision = read(path)
    assert revision.statements
    assert refusals(revision) == []


@pytest.mark.parametrize(
    "sql",
    [
        "DROP TABLE suite.ledger",
        "DROP VIEW suite.audit_links",
        "ALTER TABLE suite.ledger DROP COLUMN digest",
        "ALTER TABLE suite.ledger RENAME COLUMN digest TO sum",
        "ALTER TABLE suite.ledger RENAME TO book",
        "ALTER TABLE suite.ledger ALTER COLUMN answer SET NOT NULL",
        "ALTER TABLE suite.ledger ALTER COLUMN answer TYPE text",
        "ALTER TABLE suite.ledger ADD COLUMN why text NOT NULL",
        "ALTER TABLE suite.ledger ADD COLUMN a text, DROP COLUMN digest",
        "ALTER TABLE suite.ledger ADD COLUMN id uuid DEFAULT gen_random_uuid()",
        "ALTER TABLE suite.ledger ADD COLUMN id bigint UNIQUE",
        "ALTER TABLE suite.ledger ADD CONSTRAINT some CHECK (claim <> '')",
        "ALTER TABLE suite.audit ENABLE ROW LEVEL SECURITY",
        "CREATE INDEX more ON suite.audit (kind)",
        "CREATE INDEX CONCURRENTLY more ON suite.audit (kind)",
        "CREATE POLICY p ON suite.audit AS RESTRICTIVE USING (false)",
        "UPDATE suite.ledger SET answer = NULL",
        "DELETE FROM suite.ledger",
        "TRUNCATE suite.ledger",
        "INSERT INTO suite.ledger VALUES (1)",
        "REVOKE SELECT ON suite.ledger FROM suite_app",
        "REVOKE EXECUTE ON FUNCTION suite.purge_ledger() FROM suite_app",
        "LOCK TABLE suite.audit",
        "DO $$ BEGIN DROP TABLE suite.ledger; END $$",
        "COMMENT ON TABLE suite.ledger IS 'a;b'; DROP FUNCTION suite.purge_ledger()",
    ],
)
def test_what_old_code_would_not_survive_or_would_wait_for_is_refused(sql: str) -> None:
    assert len(refusals(Revision("bad", tuple(split(sql)), None, frozenset()))) == 1


@pytest.mark.parametrize(
    "sql",
    [
        """CREATE TABLE suite.more (id int PRIMARY KEY); CREATE INDEX of ON suite.more (id);
        ALTER TABLE suite.more FORCE ROW LEVEL SECURITY; CREATE POLICY p ON suite.more USING (true);
        INSERT INTO suite.more VALUES (1)""",
        "ALTER TABLE suite.ledger ADD COLUMN why text",
        "ALTER TABLE suite.ledger ADD COLUMN since timestamptz NOT NULL DEFAULT now()",
        """CREATE OR REPLACE FUNCTION suite.f() RETURNS int LANGUAGE sql AS $$ SELECT 1; DROP TABLE x $$;
        REVOKE ALL ON FUNCTION suite.f() FROM PUBLIC; GRANT EXECUTE ON FUNCTION suite.f() TO suite_app""",
    ],
)
def test_what_only_adds_is_let_through(sql: str) -> None:
    assert refusals(Revision("good", tuple(split(sql)), None, frozenset())) == []


def test_an_index_on_a_table_that_is_said_to_be_small_is_let_through() -> None:
    sql = ("CREATE INDEX more ON suite.switches (kind)",)
    assert refusals(Revision("good", sql, None, frozenset({"suite.switches"}))) == []
    assert refusals(Revision("bad", sql, None, frozenset())) != []


def test_a_contraction_says_which_release_used_it_last_and_that_is_not_the_one_before() -> None:
    drop = ("DROP TABLE suite.ledger",)
    assert refusals(Revision("early", drop, before().version, frozenset())) != []
    assert refusals(Revision("late", drop, "0.0.9", frozenset())) == []


def test_a_revision_that_hides_from_the_check_is_refused(tmp_path: Path) -> None:
    hidden = tmp_path / "0009_hidden.py"
    hidden.write_text("from alembic import op\n\n\ndef upgrade():\n    op.drop_table('ledger', schema='suite')\n")
    with pytest.raises(AssertionError, match="say it in SQL"):
        read(hidden)
