"""What references in settings stand for, asked of Vault once, while a process starts."""

from collections.abc import Mapping
from contextlib import suppress

from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.core.errors import Misconfigured
from shared.core.sources import settings_of
from shared.core.vault_settings import Vault, require_whole
from shared.ops.vault.lease import Answer, Refused
from shared.ops.vault.leases import Leases
from shared.ops.vault.references import Reference, in_place, referring
from shared.ops.vault.session import Session


class _Before(BaseSettings):
    """What has to be known before other settings can be."""

    model_config = SettingsConfigDict(env_prefix="SUITE_", env_nested_delimiter="__", frozen=True, extra="ignore")

    vault: Vault = Vault()


def resolve(variables: Mapping[str, str], leases: Leases) -> dict[str, str]:
    """Those variables that refer to Vault, with what they refer to.

    One path is read once, so that a user's name and password are of one lease.

    Args:
        variables: All of them.
        leases: Is told what was lent.

    Raises:
        Misconfigured: A reference cannot be looked up; names its variable and path, never what is there.
    """
    found = referring(variables)
    if not found:
        return {}
    vault = settings_of(variables, _Before).vault
    require_whole(vault)
    if vault.url is None:
        raise Misconfigured(f"{min(found)} refers to Vault: set SUITE_VAULT__URL (docs/secrets.md)")
    session = Session(vault)
    session.sign_in()
    answers: dict[str, Answer] = {}
    try:
        values = {name: in_place(value, _Looking(name, session, answers)) for name, value in found.items()}
        leases.take(session, [answer.lease for answer in answers.values() if answer.lease])
    except Misconfigured:
        with suppress(Misconfigured):
            session.give_back()
        raise
    return values


class _Looking:
    """Looks up what one variable refers to."""

    def __init__(self, variable: str, session: Session, answers: dict[str, Answer]) -> None:
        self._variable = variable
        self._session = session
        self._answers = answers

    def __call__(self, reference: Reference) -> str:
        try:
            if reference.path not in self._answers:
                self._answers[reference.path] = self._session.read(reference.path)
        except Refused as error:
            hint = "; of a versioned engine the path has `data` in it, like secret/data/suite"
            raise Misconfigured(f"{self._variable} is {reference}. {error}{hint}") from None
        data = self._answers[reference.path].data
        value = data.get(reference.key)
        if isinstance(value, bool) or not isinstance(value, str | int | float) or value == "":
            there = ", ".join(sorted(data)) or "nothing"
            raise Misconfigured(f"{self._variable} is {reference}, and no text is there; keys at that path: {there}")
        return str(value)
