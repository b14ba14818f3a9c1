"""The templates of one tenant: its own rows go before the files that all have."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from pydantic import ValidationError

from servers.mail import queries
from servers.mail.answers import Templates, TemplateShown
from servers.mail.arguments import Nothing
from servers.mail.templating.library import own, shipped
from servers.mail.templating.template import Template
from servers.mail.tools import tools
from shared.core.errors import Conflict, NotFound
from shared.core.tool import Call, Queries


@tools.read("mail:read")
async def list_templates(call: Call, query: Nothing) -> Templates:
    """List the templates there are, with the variables each takes: their types, limits and what they mean. A mail made
    from one names it as `template` and gives `variables`. Only administrators make templates.
    """
    del query
    rows = await call.database.rows(queries.TEMPLATES)
    found = {**shipped(), **{name: one for row in rows for name, one in _sound(row)}}
    return Templates(templates=[shown(found[name]) for name in sorted(found)])


def _sound(row: Mapping[str, Any]) -> Iterator[tuple[str, Template]]:
    with suppress(ValidationError):  # whoever names it is told
        yield row["name"], own(row)


def shown(template: Template) -> TemplateShown:
    return TemplateShown(
        **{name: getattr(template, name) for name in ("name", "version", "title", "description", "subject")},
        html=template.html is not None,
        variables=template.variables,
    )


async def template_of(reads: Queries, name: str) -> Template:
    """The template of that name.

    Raises:
        NotFound: There is none.
        Conflict: It is kept, but says what templates may not.
    """
    row = await reads.row(queries.TEMPLATE, name=name)
    if row is None:
        if name in shipped():
            return shipped()[name]
        raise NotFound(f"There is no template {name}. list_templates has those there are.")
    try:
        return own(row)
    except ValidationError:
        raise Conflict(
            f"The template {name} is kept in a form that is not allowed, so nothing is made of it. An administrator "
            "has to save it anew; take another one until then."
        ) from None
