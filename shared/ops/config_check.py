"""Everything that is wrong with a process's settings, at once."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import AliasChoices, ValidationError
from pydantic_settings import SettingsError

from shared.core.errors import Misconfigured
from shared.core.rules.rule import Rule
from shared.core.safety import RULES, Unsafe
from shared.core.settings import Settings
from shared.core.sources import settings_of
from shared.ops.variables import Gathered
from shared.ops.vault.references import in_place, referring

_FIELD = re.compile(r'field "(\w+)"')


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        name: Of the rule; stable.
        what: Is wrong.
        why: That matters.
        remedy: What to set.
        refuses: No process starts with it.
    """

    name: str
    what: str
    why: str
    remedy: str
    refuses: bool = True


SINGLE = {
    "unknown-setting": (
        "a variable or file begins with SUITE_ and is no setting",
        "What it was meant to set has its default instead.",
        "Spell it as in docs/settings.md, or take it away.",
    ),
    "invalid-value": (
        "a value is none that its setting can have",
        "No process starts with it.",
        "Set one that docs/settings.md allows.",
    ),
    "not-json": (
        "a table or list that has to be JSON is none",
        "No process starts with it.",
        "Write JSON, or set its parts one by one, like SUITE_ISSUERS__MAIN__URL.",
    ),
    "secret-file": (
        "a file of secrets or an environment file cannot be used",
        "What it was meant to set would have its default instead, or others could change it.",
        "See docs/secrets.md.",
    ),
    "vault-reference": (
        "a reference into Vault is misspelt, or nothing can be looked up there",
        "The setting has no value.",
        "See docs/secrets.md.",
    ),
}
"""What is wrong with one value alone: name → when, why it matters, what to do."""


def single(name: str, what: str) -> Finding:
    """A finding of `SINGLE`."""
    _, why, remedy = SINGLE[name]
    return Finding(name, what, why, remedy)


@dataclass
class Built:
    """Settings as far as they can be made.

    Attributes:
        settings: With defaults for what cannot be used.
        invalid: Fields that have a value which cannot be used.
        unresolved: Fields whose value is in Vault, where nobody looked.
        findings: What kept values from being used.
    """

    settings: Settings
    invalid: set[str] = field(default_factory=set[str])
    unresolved: set[str] = field(default_factory=set[str])
    findings: list[Finding] = field(default_factory=list[Finding])


def build(values: Mapping[str, str]) -> Built:
    """Settings of variables, however wrong some of these are. Vault is not asked."""
    findings: list[Finding] = []
    try:
        referred = referring(values)
    except Misconfigured as error:
        findings.append(single("vault-reference", str(error)))
        referred = {}
    told = {**values, **{name: _placeholder(value) for name, value in referred.items()}}
    unresolved = {_field(name) for name, value in referred.items() if value.startswith("vault:")}
    invalid: set[str] = set()
    while True:
        told = {name: value for name, value in told.items() if _field(name) not in invalid}
        try:
            settings = settings_of(told, Settings)
        except Unsafe as unsafe:
            settings = unsafe.settings
        except SettingsError as error:
            match = _FIELD.search(str(error))
            if match is None or match[1] in invalid:
                raise
            invalid.add(match[1])
            findings.append(single("not-json", f"SUITE_{match[1].upper()} is no JSON"))
            continue
        except ValidationError as error:
            found = {_field(str(problem["loc"][0])) for problem in error.errors()}
            if found <= invalid:
                raise
            invalid |= found
            findings += [one for one in _invalid(error) if _field(one.what.split(":")[0]) not in unresolved]
            continue
        return Built(settings, invalid - unresolved, unresolved, findings)


def check(gathered: Gathered, *, serving: bool = True) -> list[Finding]:
    """Everything that is wrong, what refuses first.

    Args:
        gathered: The variables, with references into Vault looked up or not.
        serving: The process serves others.
    """
    built = build(gathered.values)
    findings = [*(single("unknown-setting", text) for text in gathered.misspelt), *built.findings]
    findings += _broken(built, serving=serving)
    findings += [Finding("secret-file", text, *SINGLE["secret-file"][1:], refuses=False) for text in gathered.warnings]
    return sorted(findings, key=lambda finding: not finding.refuses)


def _broken(built: Built, *, serving: bool) -> Iterator[Finding]:
    for rule in RULES:
        if rule.serving <= serving and (what := _found(rule, built)) is not None:
            yield Finding(rule.name, what, rule.reason, rule.remedy, refuses=not rule.warns)


def _found(rule: Rule, built: Built) -> str | None:
    """What is wrong for sure: nothing that may be due to a value which we could not use."""
    invalid = built.invalid.intersection(rule.settings)
    if not rule.by_presence:
        return None if invalid or built.unresolved.intersection(rule.settings) else rule.found(built.settings)
    if any(Settings.model_fields[name].default for name in invalid):
        return None
    return rule.found(built.settings.model_copy(update=dict.fromkeys(invalid, True)))


def _invalid(error: ValidationError) -> Iterator[Finding]:
    for problem in error.errors(include_input=False, include_context=False):
        yield single("invalid-value", f"{variable_of(problem['loc'])}: {problem['msg']}")


def variable_of(where: tuple[Any, ...]) -> str:
    """The variable of a place in the settings."""
    first, *inner = map(str, where)
    return "__".join([first if first.startswith("SUITE_") else f"SUITE_{first}", *inner]).upper()


def _field(variable: str) -> str:
    """The field that a variable, or the name that an error gives, belongs to."""
    for name, known in Settings.model_fields.items():
        alias = known.validation_alias
        if isinstance(alias, AliasChoices) and variable in alias.choices:
            return name
    return variable.upper().removeprefix("SUITE_").split("__")[0].lower()


def _placeholder(value: str) -> str:
    """Within a URL, words that differ where the references do; a reference alone stays."""
    return value if value.startswith("vault:") else in_place(value, str)
