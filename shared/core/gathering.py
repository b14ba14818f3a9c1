"""What a write reads from elsewhere, and what it is based on: kept with an approval, so that what people saw is done.

A call that other people have to approve is rehearsed when it is asked for, and done later, without its caller. What it
had from other servers is kept from the rehearsal; what it saw in our own tables must be as it was.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import BaseModel

from shared.core.errors import Misconfigured

ModelT = TypeVar("ModelT", bound=BaseModel)


@dataclass
class Gathering:
    """Of one call.

    Attributes:
        kept: What was had from elsewhere, by name, as JSON.
        replays: `kept` is of the rehearsal, and nothing is asked again.
        bases: What the call is based on: kind and id, and its version.
    """

    kept: dict[str, Any] = field(default_factory=dict[str, Any])
    replays: bool = False
    bases: dict[str, str] = field(default_factory=dict[str, str])

    async def get(self, name: str, make: Callable[[], Awaitable[ModelT]], model: type[ModelT]) -> ModelT:
        """As `Call.gather`."""
        if self.replays:
            if name not in self.kept:
                raise Misconfigured(f"{name} was not gathered when the call was rehearsed; gather the same each time")
            return model.model_validate(self.kept[name])
        made = await make()
        self.kept[name] = made.model_dump(mode="json")
        return made

    def note(self, kind: str, name: str, version: object) -> None:
        """As `Call.based_on`."""
        self.bases[f"{kind} {name}"] = str(version)
