"""The templates of one site (Jinja2): always escaped, and nothing in them may be missing."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from shared.core.web import Web
from shared.edge.web.assets import Assets
from shared.edge.web.forms import CSRF, ONCE, PAGE
from shared.edge.web.places import Places

_OURS = Path(__file__).with_name("templates")


class Pages:
    """Renders them.

    Args:
        title: Of the server.
    """

    def __init__(self, web: Web, places: Places, assets: Assets, title: str) -> None:
        loader = ChoiceLoader([FileSystemLoader(web.templates), FileSystemLoader(_OURS)])
        self._environment = Environment(
            loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
        )
        self._always: dict[str, Any] = {"url": places.url, "static": assets.url, "server": title}

    def render(self, template: str, **values: Any) -> str:
        """The page; `values` go before what every page has."""
        always: dict[str, Any] = {
            **self._always,
            **{"caller": None, "notice": None, "typed": {}, "here": "/", "nonce": "", "csrf_field": _no_form},
            **{"may": _may_nothing, "now": datetime.now(UTC)},
        }
        return self._environment.get_template(template).render({**always, **values})


def hidden_fields(csrf: str, once: str, page: str) -> Markup:
    """What every form of a page carries."""
    field = Markup('<input type="hidden" name="{}" value="{}">')
    return Markup("").join(field.format(name, value) for name, value in ((CSRF, csrf), (ONCE, once), (PAGE, page)))


def _no_form() -> Markup:
    return Markup("")


def _may_nothing(_scope: str) -> bool:
    return False
