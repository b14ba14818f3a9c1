"""What logs say: one line a call, ids to find it again, and never an exception in its own words."""

import asyncio
import gc
import io
import json
import logging
import re
import sys
from collections.abc import Awaitable, Callable, Generator
from typing import Any

import asyncpg
import pytest
import structlog

from shared.core import tracing
from shared.ops.logs import configure
from shared.ops.tracebacks import told
from tests.docs.fences import claimed
from tests.harness import Suite

pytestmark = pytest.mark.anyio

Make = Callable[..., Awaitable[Suite]]
SHOWN = claimed("docs/telemetry.md", 2)[1]
SECRET = "Zephyrine Plantedname"
FIELDS = {"event", "level", "timestamp", "request_id", "server", "method", "target", "outcome", "tenant", "transport"}


class Written:
    """The events written so far, in JSON."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self._stream = io.StringIO()
        self.configure("INFO")

    def configure(self, level: str, *, calls: bool = True) -> None:
        with self._monkeypatch.context() as patched:
            patched.setattr(sys, "stderr", self._stream)
            configure(level, calls=calls)

    def __call__(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._stream.getvalue().splitlines()]


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Generator[Written]:
    root = logging.getLogger()
    before = structlog.get_config(), [*root.handlers], root.level
    yield Written(monkeypatch)
    structlog.configure(**before[0])
    root.handlers[:], root.level = before[1], before[2]


def raised(error: BaseException) -> BaseException:
    try:
        raise error  # noqa: TRY301 - it is to have a place
    except BaseException as caught:  # noqa: BLE001 - any will do
        return caught


async def test_a_call_is_one_line_of_these_fields_and_no_others(suite: Suite, written: Written) -> None:
    await suite.call("admin", "get_customer", {"customer_id": "C-999999"})
    [line] = written()
    assert line.pop("duration_ms") > 0
    assert line.keys() == FIELDS
    [record] = await suite.records(request_id=line["request_id"])
    assert (line["outcome"], line["target"], line["tenant"]) == (record["outcome"], "get_customer", "acme")


def test_the_page_shows_such_a_line() -> None:
    line = json.loads(SHOWN)
    assert line.keys() == FIELDS | {"duration_ms", "trace_id", "span_id"}


async def test_a_slow_call_is_a_warning(own_suite: Make, written: Written) -> None:
    suite = await own_suite(slow_call_s=0.000001)
    await suite.call("admin", "get_customer", {"customer_id": "C-999999"})
    [line] = written()
    assert (line["event"], line["level"], line["slow"]) == ("call", "warning", True)


async def test_a_call_refused_because_something_is_down_is_a_warning(
    own_suite: Make, written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite = await own_suite(redis_url="redis://127.0.0.1:1/0", redis_timeout_s=0.5)
    await suite.call("admin", "get_customer", {"customer_id": "C-999999"})
    [line] = [event for event in written() if event["event"] == "call"]
    assert (line["level"], line["outcome"]) == ("warning", "unavailable")


def test_where_people_see_calls_only_their_warnings_are_logged(written: Written) -> None:
    written.configure("INFO", calls=False)
    log = structlog.get_logger()
    log.info("call", outcome="ok")
    log.warning("call", slow=True)
    log.info("something else")
    assert [event["event"] for event in written()] == ["call", "something else"]


def test_ids_of_the_request_under_way_are_added(written: Written) -> None:
    log = structlog.get_logger()
    with tracing.watch("x", None, 0, lambda: ({}, ())) as watching:
        watching.watched.trace_id = "ab" * 16
        tracing.tell(request_id="req_4111111111111111")  # reads like a card's number
        log.info("inside")
    log.info("outside")
    inside, outside = written()
    assert (inside["request_id"], inside["trace_id"]) == ("req_4111111111111111", "ab" * 16)
    assert "request_id" not in outside


def test_text_passes_the_patterns(written: Written) -> None:
    structlog.get_logger().warning("sent to ann@example.com", where="/home/ann/x", given={"card": "4111111111111111"})
    [line] = written()
    assert (line["event"], line["where"]) == ("sent to a***@example.com", "[path]")
    assert "4111" not in line["given"]


def test_an_exception_is_told_by_class_and_place_and_not_in_its_words(written: Written) -> None:
    try:
        try:
            int(SECRET)
        except ValueError as error:
            raise KeyError(SECRET) from error
    except KeyError:
        structlog.get_logger().exception("failed")
    [line] = written()
    assert re.search(r"builtins\.ValueError\nwhich led to:\n(.|\n)*builtins\.KeyError$", line["exception"])
    assert "test_an_exception_is_told" in line["exception"]
    assert SECRET not in json.dumps(line)


def test_an_error_of_postgresql_is_told_by_its_state_and_what_it_names_in_our_schema() -> None:
    error: Any = asyncpg.UniqueViolationError(f"duplicate key {SECRET}")
    error.detail, error.constraint_name = f"Key (name)=({SECRET}) already exists.", "customers_pkey"
    shown = told(raised(error))
    assert "UniqueViolationError (sqlstate=23505, constraint_name=customers_pkey)" in shown
    assert SECRET not in shown


def test_a_group_is_told_with_what_is_in_it() -> None:
    shown = told(
        raised(BaseExceptionGroup(SECRET, [ValueError(SECRET), ExceptionGroup(SECRET, [OSError(111, SECRET)])]))
    )
    assert "builtins.ValueError" in shown
    assert "builtins.ConnectionRefusedError (errno 111: Connection refused)" in shown
    assert SECRET not in shown


def test_an_exception_that_leads_to_itself_has_an_end() -> None:
    error = ValueError()
    error.__context__ = other = KeyError()
    other.__context__ = error
    assert told(error).count("which led to:") == 2


def test_a_library_is_heard_without_the_values_it_speaks_of(written: Written) -> None:
    logging.getLogger("some.library").warning("no %s after %d tries: %r", SECRET, 3, {"key": SECRET})
    logging.getLogger("some.library").error("%(name)s is wrong", {"name": SECRET})
    first, second = written()
    assert (first["event"], first["logger"], first["level"]) == ("no … after 3 tries: '…'", "some.library", "warning")
    assert SECRET not in json.dumps([first, second])


def test_a_library_that_is_only_chatty_is_not_heard(written: Written) -> None:
    logging.getLogger("some.library").info("connected")
    assert written() == []


async def test_a_task_that_nobody_waited_for_is_told_without_its_exceptions_words(written: Written) -> None:
    async def fail() -> None:
        raise ValueError(SECRET)

    loop = asyncio.get_running_loop()
    before = loop.get_exception_handler()
    loop.set_exception_handler(None)
    task = asyncio.create_task(fail())
    await asyncio.wait([task])
    del task
    gc.collect()
    loop.set_exception_handler(before)
    [line] = written()
    assert (line["logger"], line["event"]) == ("asyncio", "Task exception was never retrieved")
    assert "builtins.ValueError" in line["exception"]
    assert SECRET not in json.dumps(line)


@pytest.mark.parametrize(("level", "shown"), [("DEBUG", 4), ("INFO", 3), ("WARNING", 2), ("ERROR", 1)])
def test_the_level_is_the_lowest_that_is_shown(written: Written, level: str, shown: int) -> None:
    written.configure(level)
    log = structlog.get_logger()
    for method in ("debug", "info", "warning", "error"):
        getattr(log, method)("said")
    assert len(written()) == shown
