"""A template: subject, text and HTML with typed variables; checked when it is made, and again when it is used."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, Self

from jinja2 import Template as Compiled
from jinja2 import TemplateError
from pydantic import BaseModel, ConfigDict, Field, model_validator

from servers.mail.templating.language import SOURCE_MAX, Refused, environment, names_in
from servers.mail.templating.variables import NAME, Given, Kind, Variable, checked
from shared.core.errors import Invalid

RENDERED_MAX = 200_000
"""Characters of one part of a mail, as rendered."""

Source = Annotated[str, Field(min_length=1, max_length=SOURCE_MAX)]


@dataclass(frozen=True)
class Rendered:
    """What a template makes of values."""

    subject: str
    text: str
    html: str | None


class Template(BaseModel):
    """A template, as administrators write it.

    Raises:
        ValueError: A part says more than templates may, or uses a variable that is not declared.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
    version: Annotated[int, Field(ge=1)]
    title: Annotated[str, Field(min_length=1, max_length=200)]
    description: Annotated[str, Field(min_length=1, max_length=500)]
    subject: Annotated[str, Field(min_length=1, max_length=500)]
    text: Source
    html: Source | None = None
    variables: Annotated[dict[Annotated[str, Field(pattern=NAME)], Variable], Field(max_length=40)]

    @model_validator(mode="after")
    def _sound(self) -> Self:
        for part in ("subject", "text", "html"):
            source: str | None = getattr(self, part)
            try:
                unknown = names_in(source, self._lists) - self.variables.keys() if source else ()
            except Refused as problem:
                raise ValueError(f"{part} of template {self.name}: {problem}") from None
            if unknown:
                raise ValueError(f"{part} of template {self.name} uses undeclared {', '.join(sorted(unknown))}")
        return self

    @property
    def _lists(self) -> frozenset[str]:
        return frozenset(name for name, variable in self.variables.items() if variable.type is Kind.LIST)

    def render(self, given: Mapping[str, Given], *, name: str | None = None) -> Rendered:
        """The mail it makes of these values.

        Args:
            given: By the names of its variables.
            name: Of whom it is for, where a variable is filled in with it.

        Raises:
            Invalid: Values are missing or do not fit, or the mail would be too long; it says which and why.
        """
        filled = {key: name for key, variable in self.variables.items() if variable.fill == "name" and name}
        values, problems = checked(self.variables, {**filled, **given})
        if problems:
            raise Invalid(
                f"The variables do not fit the template {self.name}: {'; '.join(problems)}. list_templates has them "
                "all.",
                problems=problems,
            )
        subject = " ".join(self._part("subject", self.subject, values, html=False).split())
        text = self._part("text", self.text, values, html=False)
        html = self._part("html", self.html, values, html=True) if self.html else None
        return Rendered(subject, text, html)

    def _part(self, part: str, source: str, values: Mapping[str, Any], *, html: bool) -> str:
        pieces: list[str] = []
        length = 0
        try:
            for piece in _compiled(source, html).generate(values):
                length += len(piece)
                if length > RENDERED_MAX:
                    raise Invalid(
                        f"The {part} of template {self.name} would be longer than {RENDERED_MAX} characters with these "
                        "values. Give shorter ones."
                    )
                pieces.append(piece)
        except TemplateError:
            raise Invalid(f"The {part} of template {self.name} cannot be made of these values.") from None
        return "".join(pieces)


@lru_cache(maxsize=256)
def _compiled(source: str, html: bool) -> Compiled:
    return environment(html=html).from_string(source)
