"""A stand-in for servers whose calls people approve: it writes letters, shaped as mails are, and changes records."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from shared.core.errors import Conflict
from shared.core.server import Server
from shared.core.tool import Answer, Call, Risk, WriteArguments
from shared.core.toolset import Toolset
from shared.steps.redaction import Exact, Sensitive, mask_email

tools = Toolset()
sent: list[dict[str, str]] = []
"""Letters that went, as they went."""


class Sender(Answer):
    shown: Annotated[str, Exact()]
    reply_to: Annotated[str | None, Exact()] = None


class Recipient(Answer):
    address: Annotated[str, Sensitive("letters:pii", mask_email)]
    name: str | None = None


class Enclosure(Answer):
    name: str
    mime_type: Annotated[str, Exact()]
    size: int
    confidential: bool = False


class Finding(Answer):
    kind: str
    severity: str
    where: str
    what: str
    before: str = ""
    after: str = ""


class SendLetter(WriteArguments):
    to: Annotated[list[str], Field(min_length=1, max_length=5)]
    subject: Annotated[str, Field(max_length=200)]
    text: Annotated[str, Field(max_length=20_000)]
    html: Annotated[str | None, Field(max_length=20_000)] = None


class Letter(Answer):
    sender: Sender
    to: list[Recipient]
    subject: str
    text: str
    html: str | None
    attachments: list[Enclosure]
    findings: list[Finding]
    outside: bool = True


class MoveRecords(WriteArguments):
    record_ids: list[Annotated[str, Exact()]]
    to: str


class Moved(Answer):
    record: Annotated[str, Exact()]
    owner: str
    before: str
    after: str


class Moves(Answer):
    moved: list[Moved]
    totals: dict[str, int]


class CloseRecord(WriteArguments):
    record_id: Annotated[str, Exact()]


class Closed(Answer):
    record_id: Annotated[str, Exact()]
    field: str = "status"
    before: str = "open"
    after: str = "closed"


@tools.write("letters:write", risk=Risk.MEDIUM, editable=("subject", "text", "html"))
async def send_letter(call: Call, query: SendLetter) -> Letter:
    """Send a letter."""
    if not query.dry_run:
        sent.append({"subject": query.subject, "text": query.text})
    found = [
        Finding(
            kind="link",
            severity="warning",
            where="html",
            what="A link leads elsewhere than it says.",
            before="https://bank.example",
            after="https://phish.example",
        )
    ]
    return Letter(
        sender=Sender(shown="Accounts <accounts@acme.example>"),
        to=[Recipient(address=one, name="Somebody") for one in query.to],
        subject=query.subject,
        text=query.text,
        html=query.html,
        attachments=[Enclosure(name="invoice-2026-11.pdf", mime_type="application/pdf", size=48_213)],
        findings=found if query.html else [],
    )


@tools.write("letters:write", risk=Risk.MEDIUM, editable=("subject", "text"))
async def send_twice(call: Call, query: SendLetter) -> Letter:
    """Send a letter that two people have to approve."""
    return await send_letter(call, query)


@tools.write("letters:write", risk=Risk.MEDIUM)
async def move_records(call: Call, query: MoveRecords) -> Moves:
    """Move records to another stage."""
    moved = [Moved(record=one, owner="acme-sales-manager", before="open", after=query.to) for one in query.record_ids]
    return Moves(moved=moved, totals={"moved": len(moved), "skipped": 2})


@tools.write("letters:write", risk=Risk.MEDIUM)
async def close_record(call: Call, query: CloseRecord) -> Closed:
    """Close one record."""
    if query.record_id == "R-broken":
        raise Conflict("It is closed already.")
    return Closed(record_id=query.record_id)


server = Server(
    name="letters",
    title="Letters",
    version="1.0.0",
    instructions="For tests.",
    tools=tools,
    baseline=("letters:write",),
    policy=Path(__file__).with_name("letters.cedar"),
)

NASTY = (
    "<p>Dear customer,</p><p>your invoice is attached. See <a href='https://phish.example/pay'>https://bank.example</a>"
    " for how to pay.</p><img src='https://tracker.example/pixel.png'><script>document.title = 'taken'</script>"
    "<table><tr><th>Item</th><th>Price</th></tr><tr><td>Paper</td><td>12.00</td></tr></table><p>Accounts</p>"
)
"""HTML as nobody should send it."""
