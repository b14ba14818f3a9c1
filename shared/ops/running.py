"""What every command begins with."""

import asyncio
import os
import sys
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

import structlog
from pydantic_settings import SettingsError

from shared.core.errors import Misconfigured
from shared.core.safety import problems, require_safe
from shared.core.settings import Settings
from shared.core.sources import settings_of
from shared.ops.logs import configure
from shared.ops.variables import Gathered, gather
from shared.ops.vault.leases import LENT
from shared.ops.vault.references import referring

log = structlog.get_logger("settings")


def read_settings(*, calls: bool = True, serving: bool = False) -> Settings:
    """The settings, with logs as they say and the data directory made.

    Args:
        calls: Whether each call is logged.
        serving: The process serves others: it may be told less than commands, and logs what it was warned of.

    Raises:
        Misconfigured: As `parse_settings`.
    """
    gathered = gather(os.environ)
    settings = _parsed(gathered)
    if serving:
        require_safe(settings.model_copy(), serving=True)  # a copy, as in `Settings`
    configure(settings.log_level, calls=calls)
    for warning in (*gathered.warnings, *gathered.misspelt):
        log.warning("settings", why=warning)
    if serving:
        _warn(settings)
    try:
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        said = f"the data folder {settings.data_dir} cannot be made ({error.strerror})"
        raise Misconfigured(f"{said}: name another with SUITE_DATA_DIR") from None
    return settings


def _warn(settings: Settings) -> None:
    for problem in problems(settings.model_copy()):  # as above
        log.warning("settings", rule=problem.rule.name, why=problem.what)


def parse_settings() -> Settings:
    """The settings alone, for commands that only look.

    Raises:
        Misconfigured: What should be JSON is none; a secret cannot be had; a fleet has a misspelt variable; all of it
            together is unsafe. The message names the setting, not what it holds.
    """
    return _parsed(gather(os.environ))


def _parsed(gathered: Gathered) -> Settings:
    values = gathered.values
    if values.get("SUITE_PROFILE") == "fleet" and gathered.misspelt:
        raise Misconfigured(f"unknown-setting: {'; '.join(gathered.misspelt)}")
    if referring(values):
        from shared.ops.vault.resolving import resolve  # noqa: PLC0415 - hvac is imported by those who use it

        values |= resolve(values, LENT)
    try:
        return settings_of(values, Settings)
    except SettingsError as error:
        raise Misconfigured(f"{error}: lists and tables of settings are JSON (docs/settings.md)") from None


def complete(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run asynchronous work to its end, or to Ctrl-C; then give back what Vault lent for it."""
    try:
        with suppress(KeyboardInterrupt), asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(work())
    finally:
        LENT.give_back()


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Uvloop where there is one: every wheel has it but those for Windows."""
    if sys.platform == "win32":
        return None
    import uvloop  # noqa: PLC0415 - not there on Windows

    return uvloop.new_event_loop
