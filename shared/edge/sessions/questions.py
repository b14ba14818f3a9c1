import secrets
from contextlib import suppress
from typing import Any

import anyio
import orjson

from shared.core.errors import Unavailable
from shared.state.bus import Bus, Replicas
from shared.state.sessions import Session, Sessions

_LOOK_S = 2.0
"""How often a waiting question looks for its answer by itself, should the word of it have been lost."""


class Questions:
    """Requests of ours to a client, whose answers arrive at any replica and are passed on to the one that waits.

    Their ids are random: no client can answer what it was not asked, or guess what another was.
    """

    def __init__(self, sessions: Sessions, bus: Bus, replicas: Replicas) -> None:
        self._sessions = sessions
        self._bus = bus
        self._replicas = replicas
        self._waiting: dict[str, anyio.Event] = {}

    @staticmethod
    def new_id() -> str:
        return f"ask-{secrets.token_hex(16)}"

    async def announce(self, session: Session, question: str, timeout_s: float) -> None:
        """Note that an answer will be waited for; before the client can have read the question."""
        self._waiting[question] = anyio.Event()
        await self._sessions.ask(session, question, self._replicas.id, ttl_s=timeout_s + _LOOK_S)

    async def wait(self, session: Session, question: str, timeout_s: float) -> dict[str, Any]:
        """The client's JSON-RPC answer.

        Raises:
            TimeoutError: None came.
        """
        try:
            with anyio.fail_after(timeout_s):
                while True:
                    with anyio.move_on_after(_LOOK_S):
                        await self._waiting[question].wait()
                    self._waiting[question] = anyio.Event()
                    with suppress(Unavailable):  # it may be back before the time is up
                        answer = await self._sessions.replied(session, question)
                        if answer is not None:
                            return orjson.loads(answer)
        finally:
            self._waiting.pop(question, None)

    async def answered(self, session: Session, message: dict[str, Any]) -> None:
        """An answer arrived here; one that nobody asked for, or that was given before, is dropped."""
        question: Any = message.get("id")
        if not isinstance(question, str):
            return
        replica = await self._sessions.reply(session, question, orjson.dumps(message))
        if replica == self._replicas.id:
            self._wake(question)
        elif replica is not None:
            await self._bus.publish(_mailbox(replica), question.encode())

    async def run(self) -> None:
        """Hear of answers that arrived elsewhere, until cancelled."""
        async with self._bus.listening(_mailbox(self._replicas.id)) as inbox:
            while True:
                message = await inbox.next(60.0)
                if message is not None:
                    self._wake(message.decode())
                elif inbox.missed:
                    for question in list(self._waiting):
                        self._wake(question)

    def _wake(self, question: str) -> None:
        if (event := self._waiting.get(question)) is not None:
            event.set()


def _mailbox(replica: str) -> str:
    return f"replica:{replica}"
