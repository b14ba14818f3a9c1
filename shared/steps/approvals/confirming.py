"""The caller's own user confirms a call, where the client can ask: the caller's own word, and no approval."""

from hashlib import sha256
from typing import Annotated

import orjson
from pydantic import Field

from shared.core.asking import Answers
from shared.core.decision import Decision
from shared.core.errors import CannotAsk, Declined
from shared.core.request import Request
from shared.core.tool import Answer, Arguments, Tool

_SHOWN = 600


class Confirmation(Answer):
    """What the caller's own user fills in."""

    confirmed: Annotated[bool, Field(description="Whether this may be done.")]


def confirm(decision: Decision, request: Request, tool: Tool, query: Arguments, answers: Answers) -> None:
    """Have the caller's own user say yes.

    Raises:
        Asked: There is no answer yet.
        Declined: The user said no.
        CannotAsk: It is no tool's call.
    """
    if request.kind != "tool":
        raise CannotAsk(f"{tool.name} has to be confirmed by its user, who can be asked in a tool's call only.")
    if not answers.to(_question(decision, tool, query), Confirmation).confirmed:
        raise Declined(f"The user was asked whether {tool.name} may be done, and said no. Nothing was changed.")


def _question(decision: Decision, tool: Tool, query: Arguments) -> str:
    """What the user reads. It names the very arguments: a call with others asks another question."""
    exact = query.model_dump(mode="json", exclude={"idempotency_key", "dry_run"}, exclude_unset=True)
    digest = sha256(orjson.dumps(exact, option=orjson.OPT_SORT_KEYS)).hexdigest()[:12]
    shown = orjson.dumps(exact).decode()  # unmasked: they are the client's own words
    if len(shown) > _SHOWN:
        shown = f"{shown[:_SHOWN]}… ({len(shown)} characters)"
    return f"{decision.reason} May {tool.name} be done with {shown}? (call {digest})"
