import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from starlette.requests import Request as Http

from shared.core.caller import Caller
from shared.core.errors import Failure, RateLimited, Suspended
from shared.core.request import Request
from shared.core.settings import Settings
from shared.edge import envelope
from shared.edge.sessions.underway import Underway
from shared.pipeline import Pipeline
from shared.state.sessions import Session, Sessions, TooManySessions


class Opening:
    """Opening and ending sessions of one server: counted, recorded, and only so many of each user."""

    def __init__(
        self, server: str, pipeline: Pipeline, sessions: Sessions, underway: Underway, settings: Settings
    ) -> None:
        self._server = server
        self._pipeline = pipeline
        self._sessions = sessions
        self._underway = underway
        self._settings = settings

    async def open(self, http: Http, caller: Caller, session: Session, answer: dict[str, Any]) -> dict[str, Any]:
        """Keep the session; the answer to `initialize`, or the error where there may not be one more.

        Raises:
            Refused: The caller is stopped.
            Unavailable: It cannot be kept, or not be recorded.
        """
        request = self.request(http, "initialize", session.version)
        try:
            async with self._noted(request, caller, answer["id"]) as facts:
                ended = await self._keep(session)
                facts |= {"session": session.handle, **({"ended": ended} if ended else {})}
        except RateLimited as failure:
            return refused(answer["id"], failure, request.request_id)
        for handle in ended:
            await self._underway.end(handle)
        return answer

    async def listen(self, http: Http, caller: Caller, session: Session) -> None:
        """Let the session open a stream.

        Raises:
            RateLimited: Too often.
            Refused: The caller is stopped.
            Unavailable: Nobody can tell, or record it.
        """
        async with self._noted(self.request(http, "stream", session.version), caller) as facts:
            facts["session"] = session.handle

    async def end(self, http: Http, caller: Caller, session: Session) -> None:
        """End the session, and everything of it that runs at any replica.

        Raises:
            Refused: The caller is stopped.
        """
        async with self._noted(self.request(http, "end", session.version), caller, charge=False) as facts:
            facts["session"] = session.handle
            await self._sessions.end(session.tenant, session.handle)
        await self._underway.end(session.handle)

    def request(self, http: Http, name: str, era: str) -> Request:
        """What was done to a session, for the record."""
        return Request(
            server=self._server,
            kind="session",
            name=name,
            request_id=f"req_{secrets.token_hex(8)}",
            era=era,
            client_address=http.client.host if http.client else None,
            agent=http.headers.get("user-agent", "")[:256],
        )

    @asynccontextmanager
    async def _noted(
        self, request: Request, caller: Caller, message_id: Any = None, *, charge: bool = True
    ) -> AsyncGenerator[dict[str, Any]]:
        try:
            async with self._pipeline.noted(request, caller, charge=charge) as facts:
                yield facts
        except Suspended as failure:
            raise envelope.Refused("suspended", 403, 403, failure.message, message_id) from None

    async def _keep(self, session: Session) -> list[str]:
        most = self._settings.sessions_per_user
        replacing = self._settings.sessions_full == "end_oldest"
        try:
            return list(await self._sessions.open(session, most=most, replace=replacing))
        except TooManySessions:
            said = f"You have {most} sessions open, as many as allowed. End one with DELETE, then initialize again."
            raise RateLimited(said, self._settings.session_ttl_s, "sessions_per_user") from None


def refused(request_id: str | int, failure: Failure, reference: str) -> dict[str, Any]:
    """A failure as a JSON-RPC error."""
    error = {"code": 429, "message": failure.message, "data": failure.as_object(reference)}
    return {"jsonrpc": "2.0", "id": request_id, "error": error}
