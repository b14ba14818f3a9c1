"""Lines for the end of a run's output, of a run that several processes share too."""

from typing import Any

import pytest

_SECTIONS = pytest.StashKey[dict[str, list[str]]]()
_KEY = "suite sections"


def say(config: pytest.Config, section: str, line: str) -> None:
    """Show the line once at the end of the run, under the section's heading."""
    lines = _sections(config).setdefault(section, [])
    if line not in lines:
        lines.append(line)


def _sections(config: pytest.Config) -> dict[str, list[str]]:
    handed_over: dict[str, Any] | None = getattr(config, "workeroutput", None)  # of a process that runs a share
    if handed_over is not None:
        return handed_over.setdefault(_KEY, {})
    return config.stash.setdefault(_SECTIONS, {})


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take over what one process had to say; one that crashed says nothing."""
    told: dict[str, list[str]] = getattr(node, "workeroutput", {}).get(_KEY, {})
    for section, lines in told.items():
        for line in lines:
            say(node.config, section, line)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for section, lines in sorted(_sections(terminalreporter.config).items()):
        terminalreporter.section(section)
        for line in lines:
            terminalreporter.write_line(line)
