"""What a revision does to the database, read from its SQL: whether the release before this one can go on meanwhile."""

import importlib.util
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_NAME = r'(?:IF NOT EXISTS )?"?([\w."]+)"?'
_NEW = re.compile(rf"CREATE (?:UNLOGGED )?(?:TABLE|VIEW|SEQUENCE|TYPE|DOMAIN|SCHEMA) {_NAME}", re.IGNORECASE)
_NEW_FUNCTION = re.compile(r"CREATE (?:OR REPLACE )?FUNCTION ([\w.]+)", re.IGNORECASE)
_INDEX = re.compile(r"CREATE (?:UNIQUE )?INDEX .*?\bON (?:ONLY )?([\w.]+)", re.IGNORECASE)
_ALTER = re.compile(r"ALTER TABLE (?:ONLY )?(?:IF EXISTS )?([\w.]+) (.*)", re.IGNORECASE)
_ON_TABLE = re.compile(r"CREATE (?:POLICY|TRIGGER) .*?\bON ([\w.]+)", re.IGNORECASE)
_INSERT = re.compile(r"INSERT INTO ([\w.]+)", re.IGNORECASE)
_REVOKE_FUNCTION = re.compile(r"REVOKE .* ON FUNCTION ([\w.]+)", re.IGNORECASE)
_FREE = re.compile(
    r"(GRANT|COMMENT ON|ANALYZE|SET LOCAL|ALTER FUNCTION .* OWNER TO|ALTER DEFAULT PRIVILEGES) ?", re.IGNORECASE
)
_ACTIONS = re.compile(r", ?(?=(?:ADD|ALTER|DISABLE|DROP|ENABLE|FORCE|NO|RENAME|SET|VALIDATE)\b)", re.IGNORECASE)
_COLUMN = re.compile(r"ADD COLUMN (?:IF NOT EXISTS )?\w+ (.*)", re.IGNORECASE)
_REWRITES = re.compile(
    r"\b(clock_timestamp|timeofday|random|gen_random_uuid|nextval|GENERATED|SERIAL|BIGSERIAL)\b", re.IGNORECASE
)
_QUOTED = re.compile(r"(\$\w*\$).*?\1|'(?:[^']|'')*'|--[^\n]*|/\*.*?\*/", re.DOTALL)


@dataclass
class Recorder:
    """Stands in for Alembic's `op` and for `run_script`: notes the SQL instead of running it."""

    scripts: list[str] = field(default_factory=list[str])

    def execute(self, sql: Any) -> None:
        self.scripts.append(str(sql))

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"op.{name}: say it in SQL (run_script), which this check can read")


@dataclass(frozen=True)
class Revision:
    """One revision: its statements, and what it says of itself.

    Attributes:
        contracts: `CONTRACTS`: the last release that used what it takes away or changes; None if it only adds.
        small: `SMALL`: tables that are there already and so small that an index on them is made in no time.
    """

    name: str
    statements: tuple[str, ...]
    contracts: str | None
    small: frozenset[str]


def read(path: Path) -> Revision:
    """A revision as its file says it, without a database."""
    spec = importlib.util.spec_from_file_location(f"revision_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    recorder = Recorder()
    module.op, module.run_script = recorder, recorder.execute
    module.upgrade()
    statements = tuple(one for script in recorder.scripts for one in split(script))
    return Revision(path.stem, statements, getattr(module, "CONTRACTS", None), frozenset(getattr(module, "SMALL", ())))


def split(script: str) -> Iterator[str]:
    """The statements of a script, each on one line, with bodies, literals and comments taken out."""
    bare = _QUOTED.sub(lambda found: "" if found[0].startswith(("--", "/*")) else "''", script)
    for statement in bare.split(";"):
        if words := " ".join(statement.split()):
            yield words


def objections(revision: Revision) -> list[str]:
    """The statements that replicas of the release before might not survive, or would have to wait for."""
    made: set[str] = set()
    found: list[str] = []
    for statement in revision.statements:
        if new := _NEW.match(statement) or _NEW_FUNCTION.match(statement):
            made.add(new[1].replace('"', ""))
        elif why := _objection(statement, made, revision.small):
            found.append(f"{revision.name}: {why}: {statement[:100]}")
    return found


def _objection(statement: str, made: set[str], small: frozenset[str]) -> str | None:
    if _FREE.match(statement):
        return None
    if index := _INDEX.match(statement):
        free = index[1] in made | small
        return None if free else "writers wait for it: only where SMALL says that the table is"
    for pattern in (_ON_TABLE, _INSERT, _REVOKE_FUNCTION):
        if there := pattern.match(statement):
            return None if there[1] in made else "it changes what is there"
    if altered := _ALTER.match(statement):
        return None if altered[1] in made else next(filter(None, map(_altering, _ACTIONS.split(altered[2]))), None)
    return "it takes away or changes what is there"


def _altering(what: str) -> str | None:
    """Of a table that is there, columns may be added that old code need not know."""
    column = _COLUMN.fullmatch(what)
    if column is None:
        return "it changes what is there"
    if re.search(r"\bNOT NULL\b", column[1], re.IGNORECASE) and not re.search(r"\bDEFAULT\b", column[1], re.IGNORECASE):
        return "old code writes rows without it: let it be null, or give it a default"
    if re.search(r"\b(UNIQUE|PRIMARY KEY|REFERENCES|CHECK)\b", column[1], re.IGNORECASE):
        return "it checks what old code does not know"
    return "it rewrites the table" if _REWRITES.search(column[1]) else None
