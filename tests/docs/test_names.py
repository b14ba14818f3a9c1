"""Every name of ours that a document uses is a name of ours: settings, metrics, commands and options, scopes, tests.

Decisions are left out: they speak of what was.
"""

import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin

import pytest
import typer
from click import Context
from pydantic import BaseModel

import servers
from compose.idp.personas import PERSONAS
from shared.core import metrics
from shared.core.scopes import expand
from shared.core.settings import Settings
from shared.ops.cli import app
from shared.ops.serving import scopes_of
from tests.docs.fences import ROOT, documents, name_of

PAGES = [page for page in documents() if "decisions" not in page.parts]
VARIABLE = re.compile(r"\bSUITE_[A-Z0-9_]+\b")
METRIC = re.compile(r"`((?!process_)[a-z]+(?:_[a-z]+)*_(?:total|seconds|bytes|waiting|connections))(?:\{[^`]*\})?`")
QUOTED = re.compile(r"`(?:\$ |\.venv/bin/)?mcp-suite ([^`]+)`")
LINE = re.compile(r"^(?:\$ |\.venv/bin/)mcp-suite (.+?)(?:  #.*)?$", re.MULTILINE)
TEST = re.compile(r"`(tests/[\w/.-]+\.py)::([\w:]+?)(?:\[[^`]*\])?`")
NOT_COMMANDS = {"<", "|", ">", "…", "..."}
CODE = ("shared", "servers", "compose", "tests", "charts")


@cache
def written() -> str:
    """All code and configuration, for names that are read from the environment elsewhere than in the settings."""
    kinds = {".py", ".yaml", ".yml", ".sh", ".toml"}
    files = [path for folder in CODE for path in (ROOT / folder).rglob("*") if path.suffix in kinds]
    own = Path(__file__).resolve()
    return "\n".join(path.read_text("utf-8", "replace") for path in [ROOT / "Makefile", *files] if path != own)


def is_setting(name: str) -> bool:
    """Whether the settings have it; NAME, TENANT and the like stand for the names of entries."""
    return _within(Settings, name.removeprefix("SUITE_").lower().split("__"))


def _within(kind: Any, parts: list[str]) -> bool:
    if not parts or parts == [""]:
        return True
    if get_origin(kind) in {Union, UnionType}:
        return any(_within(one, parts) for one in get_args(kind))
    if get_origin(kind) is dict:
        return _within(get_args(kind)[1], parts[1:])
    if not (isinstance(kind, type) and issubclass(kind, BaseModel)):
        return False
    field = kind.model_fields.get(parts[0])
    return field is not None and _within(field.annotation, parts[1:])


def named(pattern: re.Pattern[str]) -> Iterator[tuple[str, Any]]:
    for page in PAGES:
        for found in pattern.findall(page.read_text("utf-8")):
            yield name_of(page), found


def test_every_variable_is_one_that_is_read() -> None:
    wrong = {
        (page, name)
        for page, name in named(VARIABLE)
        if not is_setting(name.rstrip("_")) and f"{name}" not in written() and not name.endswith("_")
    }
    assert wrong == set()


def test_every_metric_is_one_that_is_counted() -> None:
    known = {metric.name for metric in metrics.ALL}
    settings = {*Settings.model_fields}
    wrong = {(page, name) for page, name in named(METRIC) if name not in known | settings and name not in written()}
    assert wrong == set()


def command_of(words: list[str]) -> tuple[Any, list[str]]:
    """The command that words begin with, and the rest of them."""
    command: Any = typer.main.get_command(app)
    while words and is_group(command):
        context = Context(command)
        inner = command.get_command(context, words[0])
        if inner is not None:
            command, words = inner, words[1:]
        elif "SERVER" in command.list_commands(context) and not words[0].startswith("-"):
            command, words = command.get_command(context, "SERVER"), words[1:]
        else:
            break
    return command, words


def is_group(command: Any) -> bool:
    return hasattr(command, "list_commands")


def misnamed(line: str) -> str | None:
    """What is wrong with a command line; None if nothing is."""
    try:
        words = shlex.split(line.replace("…", " … "))
    except ValueError:  # a quotation that goes on in the next line
        words = line.split()
    words = words[: next((at for at, word in enumerate(words) if word in NOT_COMMANDS), len(words))]
    command, rest = command_of(words)
    if is_group(command) and rest and not rest[0].startswith("-") and not rest[0].isupper():
        return f"no command {' '.join(words)}"
    known = {option for one in command.params for option in (*one.opts, *one.secondary_opts)} | {"--help"}
    unknown = [word for word in rest if re.match(r"--[a-z]", word) and word.partition("=")[0] not in known]
    return f"no option {unknown} of {' '.join(words)}" if unknown else None


def test_every_command_and_option_is_there() -> None:
    said = {*named(QUOTED), *named(LINE)}
    assert len(said) > 40
    assert {(page, wrong) for page, line in said if (wrong := misnamed(re.split(r" *[|,;/] ", line)[0]))} == set()


@pytest.mark.parametrize("line", ["audit verfy", "audit query --subjekt x", "stops --hard", "servr customers"])
def test_a_command_that_is_not_there_is_found(line: str) -> None:
    assert misnamed(line)


def test_every_scope_is_one_that_somebody_can_hold() -> None:
    known = {scope for server in servers.every() for scope in scopes_of(server)}
    known |= {scope for persona in PERSONAS.values() for scope in persona.scopes}
    known |= expand(known)
    prefixes = "|".join(sorted({scope.partition(":")[0] for scope in known}))
    pattern = re.compile(rf"`((?:{prefixes}):[a-z]+)`")
    assert {(page, scope) for page, scope in named(pattern) if scope not in known} == set()


def test_every_test_that_is_named_is_there() -> None:
    wrong: set[tuple[str, str]] = set()
    for page, (file, test) in named(TEST):
        path = ROOT / file
        text = path.read_text("utf-8") if path.is_file() else ""
        if not all(re.search(rf"(?:def|class) {part}\b", text) for part in test.split("::")):
            wrong.add((page, f"{file}::{test}"))
    assert wrong == set()


@pytest.mark.parametrize("name", ["SUITE_PROFILES", "SUITE_SMTP__HOSTS", "SUITE_ISSUERS__MAIN__URI"])
def test_a_variable_that_nobody_reads_is_found(name: str) -> None:
    assert not is_setting(name)


@pytest.mark.parametrize("name", ["SUITE_PORT", "SUITE_SMTP__HOST", "SUITE_ISSUERS__MAIN__CLIENTS__MAIL__CLIENT_ID"])
def test_a_variable_that_is_read_is_none_to_complain_of(name: str) -> None:
    assert is_setting(name)


def test_every_folder_that_is_named_is_there() -> None:
    pattern = re.compile(r"`((?:servers|shared|compose|charts|tests|docs)/(?!(?:servers/)?links/)[\w./-]+/)`")
    assert {(page, folder) for page, folder in named(pattern) if not (ROOT / folder).is_dir()} == set()


def test_every_alert_is_one_of_the_rules() -> None:
    rules = (ROOT / "compose" / "observability" / "rules.yml").read_text("utf-8")
    known = set(re.findall(r"alert: (\w+)", rules))
    said = set(named(re.compile(r"`(Suite[A-Z][A-Za-z]+)`")))
    assert len({name for _, name in said}) > 5
    assert {(page, name) for page, name in said if name not in known} == set()
