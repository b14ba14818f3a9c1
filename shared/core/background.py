"""What the work beside the calls gets (`Server.workers`)."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from shared.core.errors import Misconfigured


@dataclass(frozen=True)
class Background:
    """What a worker of one server gets, in every replica.

    Attributes:
        database: The `Database` of the process: a worker chooses whose tenant it works for.
        tell: Tells the followers of a tenant's resources that these changed; `changed` is its name for workers.
        settings: The `Settings` of the process.
    """

    database: Any
    tell: Callable[[str, Sequence[str]], Awaitable[None]]
    has_opened: Any = field(default=None, repr=False)
    settings: Any = field(default=None, repr=False)
    put_on_record: Callable[[Sequence[Mapping[str, Any]]], Awaitable[None]] | None = field(default=None, repr=False)

    keyed_digest: Callable[[str, str], str] | None = field(default=None, repr=False)

    @property
    def opened(self) -> Any:
        """What `Server.open` opened for this process."""
        if self.has_opened is None:
            raise Misconfigured("only servers that declare `open` have something opened")
        return self.has_opened

    async def changed(self, tenant: str, uris: Sequence[str]) -> None:
        """Tell whoever follows these resources; to be called after the commit, and never raises.

        Args:
            tenant: Whose resources they are.
            uris: Of what changed, as the templates of the server spell them.
        """
        await self.tell(tenant, uris)

    def digest(self, tenant: str, value: str) -> str:
        """What a record has in place of something personal: the same for the same, and only known with the audit's key.

        Args:
            tenant: Whose record it is.
            value: As its records always spell it.
        """
        if self.keyed_digest is None:
            raise Misconfigured("this process has no audit for its workers")
        return self.keyed_digest(tenant, value)

    async def record(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Put on record what was done; what the audit already has under the same id is left out.

        Args:
            records: Each with `id` (a UUID), `at`, `tenant`, `target_kind`, `target`, `outcome` and `facts`, and for
                whom it was done: `subject`, `issuer`, `client`, `actors`.

        Raises:
            Unavailable: The audit cannot take records now.
        """
        if self.put_on_record is None:
            raise Misconfigured("this process has no audit for its workers")
        await self.put_on_record(records)
