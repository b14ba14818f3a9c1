"""Structured logs on stderr: JSON for machines, plain lines on a terminal. stdout belongs to the protocol.

No log carries personal data or a secret: exceptions are told by class and place, never in their own words (a
database's repeat the row); all other text passes the patterns of redaction.
"""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO, cast

import orjson
import structlog
from structlog.typing import ExcInfo, Processor

from shared.core import tracing
from shared.ops.lines import Lines
from shared.ops.tracebacks import told
from shared.steps.patterns import mask_text

Event = MutableMapping[str, Any]

_OURS = frozenset(
    {"timestamp", "level", "request_id", "trace_id", "span_id"}
    | {"server", "method", "target", "outcome", "duration_ms", "tenant", "transport"}
    | {"checkpoint"}
)
"""Fields that hold nothing but words and numbers of ours; a pattern could take an id for a card's number."""

_NUMBERS = frozenset({int, float, bool, type(None)})


def configure(level: str, *, calls: bool = True) -> None:
    """Send our logs and those of libraries to stderr in one format.

    Args:
        level: The lowest that is shown; of libraries, none below WARNING.
        calls: Log one line for each call that went well; without, only those that are warnings.
    """
    terminal = sys.stderr.isatty()
    number = logging.getLevelNamesMapping()[level]
    stream = _stream()
    shared: list[Any] = [
        add_ids,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.ExceptionRenderer(_told),
        _masked,
    ]
    renderer: Processor = structlog.dev.ConsoleRenderer() if terminal else structlog.processors.JSONRenderer(_json)
    structlog.configure(
        processors=[*([] if calls else [_without_calls]), *shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(stream),
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[_foreign, *shared],
        use_get_message=False,
        pass_foreign_args=True,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    logging.basicConfig(level=max(number, logging.WARNING), handlers=[handler], force=True)


def _stream() -> TextIO:
    try:
        return cast("TextIO", Lines(sys.stderr.fileno()))  # as much of one as loggers use
    except (OSError, ValueError):  # something in memory took its place
        return sys.stderr


def add_ids(_logger: Any, _method: str, event: Event) -> Event:
    """Ids of the request under way, where the event does not state them itself."""
    for name, value in tracing.ids().items():
        event.setdefault(name, value)
    return event


def _without_calls(_logger: Any, method: str, event: Event) -> Event:
    if event["event"] == "call" and method == "info":
        raise structlog.DropEvent
    return event


def _masked(_logger: Any, _method: str, event: Event) -> Event:
    for name, value in event.items():
        if name not in _OURS and type(value) not in _NUMBERS and not name.startswith("_"):
            event[name] = mask_text(str(value), contact=True)[0]
    return event


def _told(exc_info: ExcInfo) -> str:
    return told(exc_info[1])


def _foreign(_logger: Any, _method: str, event: Event) -> Event:
    """What a library says without the values it says it with; of several lines the first, for asyncio's others are
    exceptions in their own words.
    """
    event["logger"] = event["_record"].name
    given: Any = event.pop("positional_args", ())
    event["event"] = _without_values(str(event["event"]), given).partition("\n")[0]
    return event


def _without_values(template: str, given: object) -> str:
    if not isinstance(given, tuple) or not given:
        return template
    numbers = (value if isinstance(value, int | float) else "…" for value in cast("tuple[object, ...]", given))
    try:
        return template % tuple(numbers)
    except (TypeError, ValueError):
        return template


def _json(event: Event, **_options: Any) -> str:
    return orjson.dumps(event, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
