"""One call, as far as somebody else's word goes: what `shared/pipeline.py` asks of its approval, step by step."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from shared.core.approvals import Kept
from shared.core.asking import Answers
from shared.core.caller import Caller
from shared.core.decision import Decision
from shared.core.errors import Lapsed, SuiteError
from shared.core.gathering import Gathering
from shared.core.request import Request
from shared.core.tool import Arguments, Tool
from shared.steps.approvals import words
from shared.steps.approvals.confirming import confirm
from shared.steps.idempotency import Slot

if TYPE_CHECKING:
    from shared.steps.approvals.approvals import Approvals


class _Wanted(SuiteError):
    """The call was rehearsed; once it is rolled back, people are asked."""

    def __init__(self, answer: BaseModel, gathering: Gathering) -> None:
        self.answer = answer
        self.gathering = gathering


class _Changed(SuiteError):
    """The call was done and is rolled back: it is not what was approved."""


@dataclass
class Case:
    """One call, as far as somebody else's word goes.

    Attributes:
        query: What the call is done with: as it was asked for, or as it was edited and approved.
        key: What the ledger knows it by, if people have a say in it.
        held: What came of it when it was asked for before.
        wanted: People have to be asked.
    """

    approvals: "Approvals"
    request: Request
    caller: Caller
    tool: Tool
    asked: Arguments
    query: Any
    decision: Decision
    key: str | None = None
    held: Kept | None = None
    wanted: bool = False

    @property
    def edited(self) -> bool:
        return self.query is not self.asked

    @property
    def needs(self) -> dict[str, Any] | None:
        """Of a dry run: whose word the call itself would need."""
        if self.decision.effect not in {"approve", "confirm"} or not getattr(self.query, "dry_run", False):
            return None
        told: dict[str, Any] = {"decision": self.decision.effect, "reason": self.decision.reason}
        return {**told, "approvals": self.decision.approvals} if self.decision.approvals else told

    @asynccontextmanager
    async def settled(self, facts: dict[str, Any]) -> AsyncGenerator[None]:
        """Surrounds the transaction of the call; what is to be kept though it is rolled back, is kept afterwards.

        Raises:
            NeedsApproval: People were asked.
            Lapsed: What they approved is not what would have been done.
        """
        if self.held is not None:
            facts |= {"approval": self.held.id, "approvers": [one.subject for one in self.held.approvers]}
            facts |= {"edited": sorted(edited_fields(self.held))} if self.edited else {}
        try:
            yield
        except _Wanted as wanted:
            asked = await self.approvals.ask(self, wanted.answer, wanted.gathering)
            facts["approval"] = asked.id
            raise words.pending(asked, self.tool, self.approvals.url(asked.id)) from None
        except _Changed:
            assert self.held is not None  # noqa: S101 - only what was held can have changed
            raise await self.approvals.void(
                self.held, "what it is based on was changed since people were shown it"
            ) from None

    async def satisfy(
        self, slot: Slot, answers: Answers, run: Callable[[Arguments, Answers], Awaitable[BaseModel]]
    ) -> Answers:
        """Return if the call may be done now, with the answers it is done with. Inside its transaction, so that what
        was approved is used up with it.

        Raises:
            Asked: The caller's own user has to say yes first.
            Declined: The user did not.
            CannotAsk: Nobody can be asked here.
            Lapsed: What was approved holds no more.
        """
        if self.held is not None:
            assert slot.transaction is not None  # noqa: S101 - only writes are approved
            if not await self.approvals.asking.use(slot.transaction, self.held):
                raise Lapsed(f"The approval of {self.tool.name} holds no more. Nothing was done. {words.AGAIN}")
            slot.gathering = Gathering(kept=dict(self.held.gathered), replays=True)
            slot.approval = self.held.id
            return Answers(self.held.answers)
        if self.wanted:
            dry = self.query.model_copy(update={"dry_run": True})
            raise _Wanted(await run(dry, answers), slot.gathering)
        self.confirm(answers)
        return answers

    def confirm(self, answers: Answers) -> None:
        """Have the caller's own user say yes, if policy wants that; for reads, this is all there is.

        Raises:
            Asked: There is no answer yet.
            Declined: The user said no.
            CannotAsk: It is no tool's call.
        """
        if self.decision.effect == "confirm" and not getattr(self.query, "dry_run", False):
            confirm(self.decision, self.request, self.tool, self.query, answers)

    def require_same(self, slot: Slot) -> None:
        """After the work, before its commit: it was based on what people were shown.

        Raises:
            _Changed: It was not; `settled` makes of it what the caller is told.
        """
        if self.held is not None and slot.gathering.bases != dict(self.held.bases):
            raise _Changed


def edited_fields(held: Kept) -> set[str]:
    edited, asked = held.edited or {}, held.arguments
    return {name for name in {*edited, *asked} if edited.get(name) != asked.get(name)}
