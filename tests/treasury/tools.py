from typing import Annotated

from pydantic import Field
from sqlalchemy import Column, Integer, MetaData, String, Table, bindparam, insert, select

from shared.core.errors import Conflict, Unavailable
from shared.core.tool import Answer, Call, Risk, WriteArguments
from shared.core.toolset import Toolset
from shared.state.database import Statement
from shared.steps.redaction import Sensitive

tools = Toolset()

_metadata = MetaData(schema="treasury")
_accounts = Table("accounts", _metadata, Column("version", Integer), Column("rate", Integer))
_payments = Table(
    "payments",
    _metadata,
    *(Column("payee", String), Column("amount", Integer), Column("note", String), Column("rate", Integer)),
)
ACCOUNT = Statement(select(_accounts).with_for_update())
PAID = Statement(
    insert(_payments).values(
        {column.name: bindparam(f"new_{column.name}", type_=column.type) for column in _payments.c}
    )
)

asked_elsewhere: list[str] = []
"""Who was looked up at the bank, which is another system."""

broken: dict[str, int] = {}
"""Payees at whom paying fails so many times more."""


class Pay(WriteArguments):
    payee: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,64}$")]
    amount: Annotated[int, Field(ge=1)]
    note: Annotated[str, Field(max_length=200)] = ""


class Bank(Answer):
    iban: str


class Paid(Answer):
    payee: str
    amount: int
    note: str
    rate: int
    iban: Annotated[str, Sensitive("treasury:pii", lambda _: "***")]


@tools.write("treasury:write", risk=Risk.HIGH, editable=("amount", "note"))
async def pay(call: Call, query: Pay) -> Paid:
    """Pay somebody."""
    [account] = await call.transaction.rows(ACCOUNT)
    call.based_on("account", "main", account["version"])

    async def look_up() -> Bank:
        asked_elsewhere.append(query.payee)
        return Bank(iban=f"IBAN-{query.payee}-{len(asked_elsewhere)}")

    bank = await call.gather("bank", look_up, Bank)
    if query.payee == "nobody":
        raise Conflict("There is nobody of that name.")
    if not query.dry_run and broken.get(query.payee, 0) > 0:
        broken[query.payee] -= 1
        raise Unavailable("The bank is closed.")
    paid = Paid(payee=query.payee, amount=query.amount, note=query.note, rate=account["rate"], iban=bank.iban)
    values = paid.model_dump(exclude={"iban"})
    await call.transaction.rows(PAID, **{f"new_{name}": value for name, value in values.items()})
    return paid
