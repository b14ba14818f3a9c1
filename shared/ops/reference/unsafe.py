"""`docs/unsafe-settings.md`: everything that `mcp-suite config check` finds, by its name."""

from collections.abc import Iterator

from shared.core.safety import RULES
from shared.ops.config_check import SINGLE
from shared.ops.reference.table import NOTE, cell, code, table


def page() -> Iterator[str]:
    yield f"# Unsafe settings\n\n{NOTE}"
    yield (
        "`mcp-suite config check` says all of it at once, and no process starts on what is refused here; it says\n"
        "so with the same names ([configure.md](configure.md)). The names are for good: search for them, quote them.\n"
    )
    yield "## Refused together\n"
    yield from _rules(warns=False)
    yield "\n## Refused alone\n"
    rows = ((code(name), cell(when), cell(why), cell(remedy)) for name, (when, why, remedy) in SINGLE.items())
    yield from table(("name", "when", "why it matters", "what to do"), rows)
    yield (
        "On a laptop `unknown-setting` is a warning at start, since development has variables of its own. Files that\n"
        "others can read are a warning as well.\n"
    )
    yield "## Warned of\n"
    yield from _rules(warns=True)
    yield "A process that serves logs these when it starts, with `rule` as their name.\n"


def _rules(*, warns: bool) -> Iterator[str]:
    rows = (
        (
            code(rule.name),
            cell(rule.when + (" (not for commands)" if rule.serving else "")),
            cell(rule.reason),
            cell(rule.remedy),
        )
        for rule in sorted(RULES, key=lambda rule: rule.name)
        if rule.warns is warns
    )
    yield from table(("name", "when", "why it matters", "what to do"), rows)
