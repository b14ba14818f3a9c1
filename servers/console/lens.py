"""What one viewer may see of an approval: masked by the models of the server that was asked, as its answers are."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import orjson
from pydantic import BaseModel, ValidationError

from shared.core.approvals import Kept
from shared.core.caller import Caller
from shared.core.server import Server
from shared.core.tool import Tool
from shared.steps.redaction import redact

EVERYTHING = "everything"
"""Said to be hidden where the models have changed since, so that nobody can tell what has to be."""


class _Plain(BaseModel):
    """For a tool that is gone: nothing is known of its fields, so patterns alone would mask."""


@dataclass(frozen=True)
class Lens:
    """One approval, one viewer.

    Attributes:
        tool: What was asked for; None if it is not offered any more, and nothing of it is shown then.
    """

    kept: Kept
    tool: Tool | None
    viewer: Caller

    @staticmethod
    def of(servers: Mapping[str, Server], kept: Kept, viewer: Caller) -> "Lens":
        server = servers.get(kept.server)
        return Lens(kept, server.tools.tools.get(kept.tool) if server else None, viewer)

    @property
    def editable(self) -> tuple[str, ...]:
        return self.tool.editable if self.tool else ()

    @property
    def title(self) -> str:
        return self.tool.title if self.tool else self.kept.tool

    def arguments(self, values: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
        """Arguments as the viewer may see them, without defaults, and the names of what is hidden."""
        return self._masked(self.tool.arguments if self.tool else _Plain, values)

    def answer(self) -> tuple[dict[str, Any], tuple[str, ...]]:
        """What the rehearsal answered, in the same way."""
        return self._masked(self.tool.answer if self.tool else _Plain, self.kept.rehearsal)

    def _masked(self, model: type[BaseModel], values: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
        try:
            known = model.model_validate_json(orjson.dumps(dict(values)))
        except ValidationError:
            return {}, (EVERYTHING,)
        shown = redact(known, self.viewer, f"{self.kept.server}:pii")
        lost = () if model is not _Plain or not values else (EVERYTHING,)
        return {name: one for name, one in shown.value.items() if name in values}, (*shown.redactions, *lost)


def current(kept: Kept) -> Mapping[str, Any]:
    """The arguments as they would be used now."""
    return kept.edited if kept.edited is not None else kept.arguments


def value_of(name: str, arguments: Mapping[str, Any], answer: Mapping[str, Any]) -> Any:
    """An argument that can be edited: as it was asked for, or else as the tool made it (also one level down)."""
    inner = [cast("Mapping[str, Any]", part) for part in answer.values() if isinstance(part, dict)]
    places = [arguments, answer, *inner]
    return next((place[name] for place in places if place.get(name) is not None), None)
