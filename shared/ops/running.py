"""What every command begins with."""

import asyncio
import sys
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from pydantic_settings import SettingsError

from shared.core.errors import Misconfigured
from shared.core.settings import Settings
from shared.ops.logs import configure


def read_settings(*, calls: bool = True) -> Settings:
    """The settings, with logs as they say and the data directory made.

    Args:
        calls: Whether each call is logged.

    Raises:
        Misconfigured: As `parse_settings`.
    """
    settings = parse_settings()
    configure(settings.log_level, calls=calls)
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    return settings


def parse_settings() -> Settings:
    """The settings alone, for commands that only look.

    Raises:
        Misconfigured: What should be JSON is none; the message names the setting, not what it holds.
    """
    try:
        return Settings()
    except SettingsError as error:
        raise Misconfigured(f"{error}: lists and tables of settings are JSON (docs/settings.md)") from None


def complete(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run asynchronous work to its end, or to Ctrl-C."""
    with suppress(KeyboardInterrupt), asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(work())


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Uvloop where there is one: every wheel has it but those for Windows."""
    if sys.platform == "win32":
        return None
    import uvloop  # noqa: PLC0415 - not there on Windows

    return uvloop.new_event_loop
