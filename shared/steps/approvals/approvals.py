"""Before a call is done: the caller's own user confirms it, or other people approve it, as policy decided.

Nobody waits inside a call. A call that people have to approve is rehearsed: the tool runs dry, what it answers and what
it is based on is kept, and the caller is told a handle. Once it is approved it is done, with what was kept, by a worker
or by the caller that repeats it, whoever comes first; the ledger makes that one.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import orjson
from pydantic import BaseModel, TypeAdapter

from shared.core.approvals import ANY, ApprovalState, Kept, approval_uri, new_id, payload_of
from shared.core.caller import Caller
from shared.core.decision import Decision
from shared.core.errors import KeyReused, Lapsed, NotFound
from shared.core.gathering import Gathering
from shared.core.request import Request
from shared.core.tool import Arguments, Effect, Tool, WriteArguments
from shared.state.approvals.asking import Asking, Wish
from shared.steps.approvals import words
from shared.steps.approvals.case import Case, edited_fields
from shared.steps.idempotency import Ledger, arguments_of

Publish = Callable[[str, str, Sequence[str]], Awaitable[None]]
"""Tells that something changed; see `shared.state.notices.Notices.publish`."""

CONSOLE = "console"
"""Whose followers hear of every approval of the tenant."""

CALLERS = TypeAdapter(Caller)

_SHOWN = 600


@dataclass(frozen=True)
class Approvals:
    """Of one server.

    Attributes:
        ledger: Names calls.
        review_url: Where people decide; `/{id}` is added.
        publish: Tells whoever follows.
    """

    asking: Asking
    ledger: Ledger
    server: str
    review_url: str
    publish: Publish | None = field(default=None, repr=False)

    async def case(
        self,
        request: Request,
        caller: Caller,
        tool: Tool,
        query: Arguments,
        decision: Decision,
        facts: dict[str, Any] | None = None,
    ) -> Case:
        """What other people have made of this call so far; which approval that is, is noted in `facts`.

        Raises:
            NeedsApproval: They were asked, or cannot be asked about this.
            Rejected: They said no.
            Lapsed: What they were asked counts no more.
            KeyReused: The key belongs to a call that waits for people, with other arguments.
        """
        case = Case(self, request, caller, tool, query, query, decision)
        asks = decision.effect == "approve" or (decision.effect == "confirm" and not request.can_ask)
        if not asks and request.approval is None:
            return case
        if request.kind != "tool" or tool.effect is Effect.READ or not isinstance(query, WriteArguments):
            if decision.effect == "approve":
                raise words.unaskable(decision, tool)
            return case
        if query.dry_run:
            return case
        case.wanted = True
        case.key = query.idempotency_key or f"approval {sha256(arguments_of(query)).hexdigest()}"
        case.held = await self._held(request, caller, tool, query, case.key, facts if facts is not None else {})
        if case.held is not None:
            case.key = case.held.key
            await self._require_holding(case.held, decision)
            case.query = _as_edited(case.held, tool, query)
        return case

    async def require_enough(self, case: Case, decision: Decision) -> None:
        """What people made of a call may need more of them than the call did.

        Raises:
            Lapsed: It does.
        """
        held = case.held
        if held is not None and held.state is not ApprovalState.DONE and decision.approvals > len(held.approvers):
            raise await self.void(held, f"as it was edited, {decision.approvals} people have to approve it")

    async def ask(self, case: Case, answer: BaseModel, gathering: Gathering) -> Kept:
        """Put it before people.

        Raises:
            RateLimited: As many of this caller wait as may.
        """
        assert case.key is not None  # noqa: S101 - set where it is wanted
        arguments = case.query.model_dump(mode="json", exclude={"idempotency_key", "dry_run"}, exclude_unset=True)
        rehearsal = answer.model_dump(mode="json")
        decision, caller = case.decision, case.caller
        rehearsed = (rehearsal, gathering.kept, gathering.bases)
        wish = Wish(
            id=new_id(),
            kind="approve" if decision.effect == "approve" else "confirm",
            server=self.server,
            tool=case.tool.name,
            caller=caller,
            caller_json=CALLERS.dump_python(caller, mode="json"),
            claims=self.ledger.claims(caller, case.tool, case.key),
            digest=self.ledger.digests(case.query)[0],
            key=case.key,
            arguments=arguments,
            answers=dict(case.request.answers),
            payload=payload_of(self.server, case.tool.name, arguments, rehearsed, decision.version),
            rehearsal=rehearsal,
            gathered=gathering.kept,
            bases=gathering.bases,
            reason=decision.reason,
            policies=decision.policies,
            policy_version=decision.version,
            needed=max(decision.approvals, 1),
            request_id=case.request.request_id,
            agent=case.request.agent,
        )
        asked = await self.asking.ask(wish)
        await self.tell(asked)
        return asked

    async def own(self, caller: Caller, approval_id: str, *, cancel: bool) -> Kept:
        """What this caller asked for at this server; given up, if nobody has decided and `cancel` says so.

        Raises:
            NotFound: There is none, or it is somebody else's.
        """
        held = await self.asking.one(caller.tenant, approval_id)
        if held is None or (held.issuer, held.subject, held.server) != (caller.issuer, caller.subject, self.server):
            raise NotFound(f"You asked for no approval {approval_id} here.")
        if cancel and held.state is ApprovalState.PENDING:
            if await self.asking.end(held, "cancelled", None, caller):
                await self.tell(held)
            return await self.own(caller, approval_id, cancel=False)
        return held

    async def tell(self, approval: Kept) -> None:
        """Tell whoever follows it that something about it changed."""
        if self.publish is not None:
            await self.publish(CONSOLE, approval.tenant, [ANY, approval_uri(approval.id)])
            await self.publish(approval.server, approval.tenant, [approval_uri(approval.id)])

    def url(self, approval_id: str) -> str:
        return f"{self.review_url}/{approval_id}"

    async def void(self, held: Kept, why: str) -> Lapsed:
        """Note that an approval holds no more; what the caller is told."""
        message = f"The approval {held.id} holds no more: {why}. Nothing was done. {words.AGAIN}"
        await self.asking.end(held, "void", {"code": Lapsed.code, "message": why})
        await self.tell(held)
        return Lapsed(message, approval_id=held.id, status="void")

    async def _held(
        self, request: Request, caller: Caller, tool: Tool, query: WriteArguments, key: str, facts: dict[str, Any]
    ) -> Kept | None:
        if request.approval is not None:
            held = await self.asking.one(caller.tenant, request.approval)
        else:
            held = await self.asking.find(caller.tenant, self.ledger.claims(caller, tool, key))
        if held is None:
            return None
        facts["approval"] = held.id
        if _digest(held.arguments) != _digest(orjson.loads(arguments_of(query))):
            raise KeyReused(
                "This idempotency_key belongs to a call that other people were asked to approve, with other "
                "arguments. Use a new key for a new call, or repeat that one unchanged."
            )
        return self._open(held, tool, keyed=query.idempotency_key is not None)

    def _open(self, held: Kept, tool: Tool, *, keyed: bool) -> Kept | None:
        """The approval, where it lets the call go on; None where people are asked anew, since no key names the call."""
        if held.state in {ApprovalState.APPROVED, ApprovalState.DONE}:
            return held
        if held.state is ApprovalState.PENDING:
            raise words.pending(held, tool, self.url(held.id))
        if keyed or held.state is ApprovalState.REJECTED:
            raise words.over(held, tool)
        return None

    async def _require_holding(self, held: Kept, decision: Decision) -> None:
        if held.state is ApprovalState.DONE:
            return  # the ledger has the answer
        if decision.version != held.policy_version:
            raise await self.void(held, "the policies were changed since people were asked")
        if decision.effect == "approve" and held.kind != "approve":
            raise await self.void(held, "it has to be approved by somebody else now")


def _as_edited(held: Kept, tool: Tool, query: WriteArguments) -> WriteArguments:
    """What was approved: nothing but fields that may be edited can differ from what was asked for."""
    if held.edited is None:
        return query
    if not edited_fields(held) <= {*tool.editable}:
        raise Lapsed(f"The approval {held.id} changes what may not be changed. Nothing was done. {words.AGAIN}")
    return tool.parse({**held.edited, "idempotency_key": query.idempotency_key})


def _digest(arguments: Any) -> bytes:
    return sha256(orjson.dumps(arguments, option=orjson.OPT_SORT_KEYS)).digest()
