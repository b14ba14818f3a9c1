from collections.abc import Awaitable, Callable

import anyio
import orjson
from starlette.types import Receive, Send

from shared.edge.deliveries import Delivery
from shared.edge.sessions import sse

NOTICES = "n"
"""What event ids of the standing stream begin with; the rest is the position in the log of notices."""

_CLOSE_S = 1.0


async def tell_changes(
    delivery: Delivery, alive: Callable[[], Awaitable[None]], receive: Receive, send: Send, *, primed: bool
) -> None:
    """Tell of changes until the client goes, or whoever opened the delivery ends it.

    Args:
        delivery: What may be told; its end ends the stream.
        alive: Called with every ping; ends the stream once the session is over.
        receive: ASGI's; tells that the client went.
        send: ASGI's.
        primed: Whether the client can come back before it was told anything (2025-11-25).
    """
    await send({"type": "http.response.start", "status": 200, "headers": sse.HEADERS})
    await _send(send, sse.primed(f"{NOTICES}/{delivery.position}") if primed else sse.PING)

    async def gone() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        tasks.cancel_scope.cancel()

    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(gone)
            while delivery.ended is None:
                notices = await delivery.next(sse.PING_S)
                for notice in notices:
                    await _send(send, sse.event(_updated(notice.uri), f"{NOTICES}/{notice.id}"))
                if not notices:
                    await _send(send, sse.PING)
                    await alive()
    finally:
        with anyio.move_on_after(_CLOSE_S, shield=True):  # a client that does not read cannot hold us
            await _send(send, b"", more=False)


def _updated(uri: str) -> bytes:
    return orjson.dumps({"jsonrpc": "2.0", "method": "notifications/resources/updated", "params": {"uri": uri}})


async def _send(send: Send, piece: bytes, *, more: bool = True) -> None:
    await send({"type": "http.response.body", "body": piece, "more_body": more})
