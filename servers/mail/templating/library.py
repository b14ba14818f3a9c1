"""Which templates there are: those that are files here, and a tenant's own, which go before them."""

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from servers.mail.templating.template import Template

_FOLDER = Path(__file__).parents[1] / "templates"
_FIELDS = ("name", "version", "title", "description", "subject", "text", "html", "variables")


@cache
def shipped() -> Mapping[str, Template]:
    """Those of `servers/mail/templates/`, by name; every tenant has them."""
    return {path.stem: _read(path) for path in sorted(_FOLDER.glob("*.toml"))}


def _read(path: Path) -> Template:
    return Template.model_validate({"name": path.stem, **tomllib.loads(path.read_text("utf-8"))})


def own(row: Mapping[str, Any]) -> Template:
    """One of a tenant's own, from its row."""
    return Template.model_validate({field: row[field] for field in _FIELDS})
