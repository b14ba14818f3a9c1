"""What may be declared as a tool, and what of a call's arguments reaches it."""

import json
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, cast

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import BaseModel, Field

from shared.core.caller import Caller
from shared.core.errors import Invalid, Misconfigured
from shared.core.tool import Answer, Arguments, Call, Effect, Risk, Tool, WriteArguments
from shared.core.toolset import Toolset
from shared.edge.describe import describe

Run = Callable[..., Awaitable[BaseModel]]


class Line(Arguments):
    sku: str
    quantity: Annotated[int, Field(ge=1, le=99)] = 1


class Order(Arguments):
    title: Annotated[str, Field(max_length=20, description="What it is called.")]
    paid: bool = False
    price: float | None = None
    count: int = 0
    lines: Annotated[tuple[Line, ...], Field(max_length=3)] = ()


class Change(WriteArguments):
    title: str


class Shown(Answer):
    title: str
    properties: str = ""


def tool_of(run: Run, *scopes: str) -> Tool:
    tools = Toolset()
    tools.read(*scopes)(run)
    (tool,) = tools.tools.values()
    return tool


async def look(call: Call, query: Order) -> Shown:
    """Look at
    an order.
    """
    return Shown(title=query.title)


async def change(call: Call, query: Change) -> Shown:
    """Change it."""
    return Shown(title=query.title)


LOOK = tool_of(look, "shop:read")


def named(name: str) -> Run:
    async def run(call: Call, query: Order) -> Shown:
        """A tool."""
        return Shown(title=query.title)

    run.__name__ = name
    return run


def test_a_tool_is_what_its_function_says() -> None:
    assert (LOOK.name, LOOK.title, LOOK.description, LOOK.effect) == (
        *("look", "Look", "Look at an order.", Effect.READ),
    )
    assert (LOOK.arguments, LOOK.answer, LOOK.scopes) == (Order, Shown, ("shop:read",))


def test_a_tool_without_words_for_the_model_is_refused() -> None:
    async def silent(call: Call, query: Order) -> Shown:
        return Shown(title=query.title)

    with pytest.raises(Misconfigured, match="silent needs a docstring"):
        tool_of(silent, "shop:read")


def test_a_tool_that_anybody_could_call_is_refused() -> None:
    with pytest.raises(Misconfigured, match="look needs a scope"):
        tool_of(look)


@pytest.mark.parametrize("name", ["Look", "1look", "_look", "look-up", "look up", "", "löok", "look\n", "a" * 65])
def test_a_name_that_not_every_client_takes_is_refused(name: str) -> None:
    with pytest.raises(Misconfigured, match="no tool name"):
        tool_of(named(name), "shop:read")


def test_the_longest_name_is_64_characters() -> None:
    assert tool_of(named("a" * 64), "shop:read").name == "a" * 64


def test_what_a_tool_uses_is_named_as_tools_are() -> None:
    with pytest.raises(Misconfigured, match="name it as tools are named"):
        Toolset().read("shop:read", uses="Mail Relay")(look)


def test_a_second_tool_or_resource_of_one_name_is_refused() -> None:
    tools = Toolset()
    tools.read("shop:read")(look)
    with pytest.raises(Misconfigured, match="look is declared twice"):
        tools.read("shop:read")(named("look"))
    tools.resource("order://{title}", "shop:read")(look)
    with pytest.raises(Misconfigured, match="declared twice"):
        tools.resource("order://{title}", "shop:read")(change)
    assert tools.resources["order://{title}"].tool.run is look


def test_a_write_whose_retry_could_not_be_recognised_is_refused() -> None:
    tools = Toolset()
    with pytest.raises(Misconfigured, match="must extend WriteArguments"):
        tools.write("shop:write", risk=Risk.LOW)(look)
    assert tools.tools == {}


def test_only_a_write_has_a_transaction() -> None:
    caller = Caller("s", "i", "c", "acme", frozenset())
    nothing: Any = None
    call = Call(caller, nothing, nothing, "req_1")
    with pytest.raises(Misconfigured, match="write"):
        _ = call.transaction


@pytest.mark.parametrize(
    ("problem", "arguments"),
    [
        ("count", {"title": "x", "count": "1"}),
        ("count", {"title": "x", "count": 1.0}),
        ("count", {"title": "x", "count": True}),
        ("count", {"title": "x", "count": None}),
        ("title", {"title": 1}),
        ("title", {"title": "x" * 21}),
        ("title", {}),
        ("paid", {"title": "x", "paid": 1}),
        ("paid", {"title": "x", "paid": "true"}),
        ("price", {"title": "x", "price": "1.5"}),
        ("lines", {"title": "x", "lines": {}}),
        ("lines", {"title": "x", "lines": [{"sku": "s"}] * 4}),
        ("lines.1.quantity", {"title": "x", "lines": [{"sku": "s"}, {"sku": "s", "quantity": "2"}]}),
        ("lines.0.quantity", {"title": "x", "lines": [{"sku": "s", "quantity": 100}]}),
        ("lines.0.colour", {"title": "x", "lines": [{"sku": "s", "colour": "red"}]}),
        ("colour", {"title": "x", "colour": "red"}),
        ("idempotency_key", {"title": "x", "idempotency_key": "long-enough"}),
    ],
)
def test_nothing_is_coerced_and_nothing_unknown_is_taken(problem: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(Invalid, match=rf"The arguments of look are invalid\. (.*; )?{problem}: "):
        LOOK.parse(arguments)


@pytest.mark.parametrize(
    "value",
    [2**64, -(2**63) - 1, 10**400, "\ud800", ["\udfff"], {"\ud800": 1}],
    ids=["2^64", "-2^63-1", "10^400", "half a pair", "half a pair within", "half a pair as a name"],
)
def test_what_json_cannot_carry_is_the_callers_error(value: Any) -> None:
    with pytest.raises(Invalid, match="look"):
        LOOK.parse({"title": "x", "extra": value})


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")], ids=str)
def test_what_is_no_number_reaches_no_tool_as_one(value: float) -> None:
    assert LOOK.parse({"title": "x", "price": value}).price is None  # orjson writes null, as browsers do
    with pytest.raises(Invalid):
        LOOK.parse({"title": "x", "count": value})


def test_every_problem_is_told_at_once_but_no_more_than_twenty() -> None:
    with pytest.raises(Invalid) as told:
        LOOK.parse({"paid": 1, "count": ""})
    assert all(word in told.value.message for word in ("title: ", "paid: ", "count: "))
    with pytest.raises(Invalid) as told:
        LOOK.parse({f"unknown_{number}": 1 for number in range(1000)})
    assert told.value.message.count(";") == 19


SECRET = "hunter2"
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.just(SECRET)
    | st.text(st.characters(codec=None), max_size=8).map(lambda text: text + SECRET),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=8,
)
line: st.SearchStrategy[Any] = st.fixed_dictionaries({}, optional={"sku": json_values, "quantity": json_values})
fields: dict[str, st.SearchStrategy[Any]] = {
    **dict.fromkeys(("title", "paid", "price", "count", "unknown"), json_values),
    "lines": json_values | st.lists(line),
}
orders = st.fixed_dictionaries({}, optional=fields)


@given(orders)
@example({"title": "x", "count": SECRET})
@example({"title": SECRET * 9, "lines": [{"sku": 1, "quantity": [SECRET]}]})
@example({"title": "x", "unknown": {"\ud800": SECRET}})
def test_arguments_arrive_as_they_are_or_are_refused_without_being_repeated(arguments: dict[str, Any]) -> None:
    try:
        parsed = LOOK.parse(arguments)
    except Invalid as error:
        refusal = json.dumps(error.as_object("req_1"))
    else:
        refusal = ""
        for name, value in parsed.model_dump(mode="json", exclude_unset=True).items():
            assert as_sent(value, arguments[name]) or (name == "price" and value is None)
    assert SECRET not in refusal


def as_sent(value: Any, sent: Any) -> bool:
    if isinstance(value, str):
        return value == sent.strip()
    if isinstance(value, list):
        return len(cast("list[Any]", value)) == len(sent)
    return type(value) is type(sent) and value == sent


def keys_of(node: Any) -> set[str]:
    if isinstance(node, list):
        return {key for item in cast("list[Any]", node) for key in keys_of(item)}
    if isinstance(node, dict):
        named = cast("dict[str, Any]", node)
        return set(named) | {key for item in named.values() for key in keys_of(item)}
    return set()


def test_schemas_carry_no_generated_title_and_keep_a_property_of_that_name() -> None:
    schema = LOOK.input_schema
    assert schema["properties"].pop("title") == {
        "description": "What it is called.", "maxLength": 20, "type": "string",
    }  # fmt: skip
    assert "title" not in keys_of(schema)
    assert schema["required"] == ["title"]
    assert LOOK.output_schema["properties"].keys() == {"title", "properties"}


def test_a_schema_says_that_unknown_fields_are_errors_at_every_depth() -> None:
    schema = LOOK.input_schema
    Draft202012Validator.check_schema(schema)
    assert [schema["additionalProperties"], schema["$defs"]["Line"]["additionalProperties"]] == [False, False]


@pytest.mark.parametrize(
    ("risk", "destructive"), [(None, False), (Risk.LOW, False), (Risk.MEDIUM, True), (Risk.HIGH, True)]
)
@pytest.mark.parametrize("open_world", [False, True])
def test_hints_follow_from_effect_and_risk(risk: Risk | None, destructive: bool, open_world: bool) -> None:
    tools = Toolset()
    if risk is None:
        tools.read("shop:read", open_world=open_world)(look)
    else:
        tools.write("shop:write", risk=risk, open_world=open_world)(change)
    ((_, tool),) = tools.tools.items()
    hints = describe(tool).annotations
    assert hints is not None
    assert (hints.read_only_hint, hints.idempotent_hint) == (risk is None, risk is None)
    assert (hints.destructive_hint, hints.open_world_hint) == (destructive, open_world)


@pytest.mark.parametrize("key", ["short", "a" * 129, "with blank", "ünïcödé-key", "tab\tinside", "line\nbreak"])
def test_an_idempotency_key_is_8_to_128_visible_ascii_characters(key: str) -> None:
    tools = Toolset()
    tools.write("shop:write", risk=Risk.LOW)(change)
    with pytest.raises(Invalid, match="idempotency_key"):
        tools.tools["change"].parse({"title": "x", "idempotency_key": key})
