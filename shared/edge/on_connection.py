from anyio import TASK_STATUS_IGNORED, Lock
from anyio.abc import TaskGroup, TaskStatus
from mcp.server.session import ServerSession

from shared.core.caller import Caller
from shared.core.request import Request
from shared.edge.deliveries import Deliveries
from shared.edge.kept import InMemory, Kept
from shared.edge.watch import Context

_LOOK_S = 60.0


class OnConnection:
    """Subscriptions of the one client of a connection of the 2025 era: they live as long as it does.

    Args:
        deliveries: What is told.
        caller: Whose connection it is.
        most: Resources it may be subscribed to.
        tasks: Where changes are told, as long as the connection lives.
    """

    def __init__(self, deliveries: Deliveries, caller: Caller, most: int, tasks: TaskGroup) -> None:
        self._deliveries = deliveries
        self._caller = caller
        self._kept = InMemory(most)
        self._tasks = tasks
        self._telling = False
        self._lock = Lock()

    async def keeping(self, context: Context, request: Request) -> Kept:
        """What the client is subscribed to; once this returns, changes of it are told."""
        async with self._lock:
            if not self._telling:
                await self._tasks.start(self._tell, context.session, request)
                self._telling = True
        return self._kept

    async def _tell(
        self, session: ServerSession, request: Request, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED
    ) -> None:
        async with self._deliveries.to(self._caller, request, self._kept) as delivery:
            task_status.started()
            while delivery.ended is None:
                for notice in await delivery.next(_LOOK_S):
                    await session.send_resource_updated(notice.uri)
