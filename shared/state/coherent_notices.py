from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager

from shared.state.metadata import Metadata
from shared.state.notices import NOW, Following, Notices


class CoherentNotices:
    """Notices of which this process's own metadata hears at once, and that of others by the bus.

    So whoever changes something finds it changed when the answer has come.
    """

    def __init__(self, notices: Notices, metadata: Metadata) -> None:
        self._notices = notices
        self._metadata = metadata

    async def publish(self, server: str, tenant: str, uris: Sequence[str]) -> None:
        self._metadata.forget(server, tenant)
        await self._notices.publish(server, tenant, uris)

    async def deliver(self, server: str, tenant: str, uris: Sequence[str]) -> None:
        self._metadata.forget(server, tenant)
        await self._notices.deliver(server, tenant, uris)

    def following(self, server: str, tenant: str, after: str = NOW) -> AbstractAsyncContextManager[Following]:
        return self._notices.following(server, tenant, after)
