from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADER = "Suite-Replica"


class ShowReplica:
    """Says in each answer which process gave it: a drill must prove that answers came from several.

    Off by default (`show_replica`): how many replicas there are is nobody's business.
    """

    def __init__(self, app: ASGIApp, name: str) -> None:
        self._app = app
        self._header = (HEADER.lower().encode(), name.encode())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def said(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), self._header]}
            await send(message)

        await self._app(scope, receive, said)
