"""What a server offers over somebody else's system, which then keeps the data in place of the server's own tables."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pydantic import BaseModel

from shared.core.toolset import Toolset
from shared.core.upstreams import Said, Step

__all__ = ["Over"]


@dataclass(frozen=True)
class Over:
    """How a server is served over one kind of upstream.

    Attributes:
        title: What callers are told it is.
        tools: What can be done there; names, arguments and answers as the server's own.
        instructions: What a client tells the model about the server.
        options: What has to be known of it beyond where it is: the model of `Upstream.options`.
        steps: The kinds of writes its tools send.
        explain: What the body of a refusal says; never more of it than is shown to callers.
    """

    title: str
    tools: Toolset
    instructions: str
    options: type[BaseModel]
    steps: tuple[Step, ...]
    explain: Callable[[object], Sequence[Said]]
