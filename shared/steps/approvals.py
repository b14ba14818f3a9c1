"""Before a call is done: the caller's own user confirms it, or other people approve it, as policy decided."""

from hashlib import sha256
from typing import Annotated

import orjson
from pydantic import Field

from shared.core.asking import Answers
from shared.core.decision import Decision
from shared.core.errors import CannotAsk, Declined, NeedsApproval
from shared.core.request import Request
from shared.core.tool import Answer, Arguments, Tool

_SHOWN = 600


class Confirmation(Answer):
    """What the caller's own user fills in."""

    confirmed: Annotated[bool, Field(description="Whether this may be done.")]


def satisfy(decision: Decision, request: Request, tool: Tool, query: Arguments, answers: Answers) -> None:
    """Return if the call may be done now. Inside its transaction, so that what is asked is what is done.

    Raises:
        Asked: The caller's own user has to say yes first.
        Declined: The user did not.
        CannotAsk: Nobody can be asked here.
        NeedsApproval: Other people have to approve it.
    """
    if decision.effect == "approve":
        people = "a person" if decision.approvals == 1 else f"{decision.approvals} people"
        raise NeedsApproval(
            f"{tool.name} was not done. {decision.reason} It needs the approval of {people} other than you. Tell the "
            "person you work for; repeating the call will not help.",
            decision.reason,
            decision.policies,
            decision.approvals,
        )
    if decision.effect != "confirm":
        return
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
