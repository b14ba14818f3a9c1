"""Rounds of one call: the caller's own user is asked, and the call is made again with the answer, in both eras.

The 2026 era sends the question as a result, and the client repeats the call with the answer and our sealed state
(MCP 2026-07-28, basic/patterns/mrtr). The 2025 era sends it as a request of ours on the call's open stream; there we
make the call again ourselves. Nothing waits inside a transaction, and each round has its own record.
"""

import base64
import secrets
from dataclasses import dataclass, replace
from typing import Any

import mcp_types as types
import orjson
from mcp.server.request_state import InvalidRequestState, RequestStateBoundary, RequestStateSecurity
from mcp.shared.exceptions import MCPError
from mcp.shared.message import ServerMessageMetadata

from shared.core.asking import Asked, Question
from shared.core.errors import CannotAsk, Timeout
from shared.edge.watch import Context
from shared.state.keys import CannotOpen, KeyRing

MOST = 10
"""Rounds of one call; SDK clients give up there too."""

_BOUND_TO = b"request state"
_STATE_S = 600.0


@dataclass(frozen=True)
class Rounds:
    """What earlier rounds of a call brought.

    Attributes:
        answers: By the key of the question, as the client sent them.
        id: The secret of the first round, once there was one; the ledger does the work of it once.
        done: How many there were.
    """

    answers: dict[str, Any]
    id: str | None = None
    done: int = 0

    @staticmethod
    def of(params: types.CallToolRequestParams) -> "Rounds":
        """As a repeated call of the 2026 era states them; answers without our state are answers to nothing."""
        if params.request_state is None:
            return Rounds({})
        state = orjson.loads(params.request_state)
        said = {key: answer.model_dump(mode="json") for key, answer in (params.input_responses or {}).items()}
        return Rounds({**state["answers"], **said}, state["round"], state["done"])

    def another(self, answers: dict[str, Any]) -> "Rounds":
        """With the answers of one more."""
        return replace(self, answers={**self.answers, **answers}, done=self.done + 1)

    def required(self, question: Question) -> dict[str, Any]:
        """The result that asks a client of the 2026 era; its state is sealed on the way out."""
        state = {"round": self.id or secrets.token_hex(16), "answers": self.answers, "done": self.done + 1}
        asks = {"mode": "form", "message": question.message, "requestedSchema": question.schema}
        return {
            "resultType": "input_required",
            "inputRequests": {question.key: {"method": "elicitation/create", "params": asks}},
            "requestState": orjson.dumps(state).decode(),
        }


def can_ask(context: Context) -> bool:
    """Whether the client said that it can show its user forms; `{}` means that it can."""
    declared = context.session.client_capabilities
    can = declared.elicitation if declared is not None else None
    return can is not None and (can.form is not None or can.url is None)


def check(context: Context, sofar: Rounds, *, modern: bool) -> None:
    """Refuse to ask without end, and a client that did not say that it can show forms.

    Raises:
        MCPError: `-32021`, in the 2026 era.
        CannotAsk: In the 2025 era, or after too many rounds.
    """
    if sofar.done >= MOST:
        raise CannotAsk(
            f"The user was asked {MOST} times and the call still asks. Nothing was changed. Tell the user, and do not "
            "repeat it."
        )
    if can_ask(context):
        return
    if modern:
        needed: dict[str, Any] = {"requiredCapabilities": {"elicitation": {"form": {}}}}
        message = "This call has to ask its user, and the client did not declare elicitation"
        raise MCPError(types.MISSING_REQUIRED_CLIENT_CAPABILITY, message, needed)
    raise _cannot()


async def ask(context: Context, asked: Asked, timeout_s: float) -> dict[str, Any]:
    """The answer of a user of the 2025 era, asked on the call's own stream.

    Raises:
        CannotAsk: The client cannot, or refuses to.
        Timeout: Nobody answered.
    """
    question = asked.question
    params = types.ElicitRequestFormParams(message=question.message, requested_schema=question.schema)
    try:
        answer = await context.session.send_request(
            types.ElicitRequest(params=params),
            types.ElicitResult,
            request_read_timeout_seconds=timeout_s,
            metadata=ServerMessageMetadata(related_request_id=context.request_id),
        )
    except MCPError as error:
        if error.error.code == types.REQUEST_TIMEOUT:
            message = f"The user did not answer within {timeout_s:g} s. Nothing was changed; ask whether to try again."
            raise Timeout(message) from None
        raise _cannot() from None
    return {question.key: answer.model_dump(mode="json")}


def _cannot() -> CannotAsk:
    return CannotAsk(
        "This call has to ask its user first, and the client cannot do that (no elicitation). Nothing was changed. "
        "Use a client that can."
    )


class _Sealed:
    """The SDK's codec over our key ring, so that every replica opens what any of them sealed."""

    def __init__(self, ring: KeyRing) -> None:
        self._ring = ring

    def seal(self, payload: bytes) -> str:
        return base64.urlsafe_b64encode(self._ring.seal(payload, _BOUND_TO)).decode()

    def unseal(self, token: str) -> bytes:
        try:
            return self._ring.open(base64.b64decode(token, altchars=b"-_", validate=True), _BOUND_TO)
        except (CannotOpen, ValueError):
            raise InvalidRequestState("sealed bytes do not fit") from None


def boundary(ring: KeyRing, server: str, principal_of: Any) -> RequestStateBoundary:
    """The SDK's middleware that seals request state, bound to caller, call and server, for ten minutes."""
    security = RequestStateSecurity(codec=_Sealed(ring), ttl=_STATE_S, bind_principal=principal_of)
    return RequestStateBoundary(security, default_audience=server)
