"""What the work beside the calls gets (`Server.workers`)."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Background:
    """What a worker of one server gets, in every replica.

    Attributes:
        database: The `Database` of the process: a worker chooses whose tenant it works for.
        tell: Tells the followers of a tenant's resources that these changed; `changed` is its name for workers.
    """

    database: Any
    tell: Callable[[str, Sequence[str]], Awaitable[None]]

    async def changed(self, tenant: str, uris: Sequence[str]) -> None:
        """Tell whoever follows these resources; to be called after the commit, and never raises.

        Args:
            tenant: Whose resources they are.
            uris: Of what changed, as the templates of the server spell them.
        """
        await self.tell(tenant, uris)
