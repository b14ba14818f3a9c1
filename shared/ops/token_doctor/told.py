"""What `mcp-suite doctor auth` asks of a token, and what it found out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeVar

import httpx
import orjson

from shared.core.caller import Caller
from shared.core.errors import Unauthenticated
from shared.core.issuers import Issuer
from shared.core.server import Server
from shared.core.settings import Settings
from shared.state.contract import Finding
from shared.steps.providers import Provider
from shared.steps.validity import Terms

UNAVAILABLE = "unavailable"
"""The outcome where nobody can tell: the caller gets a 503."""

Wrong = Callable[[str], tuple[str, str]]
"""By the reason of a refusal: what is wrong, and what mends it."""
T = TypeVar("T")

_ALONE = {"url": "SUITE_ISSUER", "jwks_url": "SUITE_JWKS_URL", "tenant_claim": "SUITE_TENANT_CLAIM"}


@dataclass(frozen=True)
class Question:
    """What a token is looked at for.

    Attributes:
        resource: The URL the server is known by.
        elsewhere: What else here has a URL of its own, by that URL.
        providers: As the verifier has them.
        client: To ask them beside the verifier.
        now: Seconds since the epoch.
    """

    settings: Settings
    server: Server
    resource: str
    elsewhere: Mapping[str, str]
    providers: Mapping[str, Provider]
    client: httpx.AsyncClient
    now: Callable[[], float]

    def terms(self, issuer: Issuer) -> Terms:
        return Terms.of(issuer, self.settings, self.server.name, self.resource)

    def setting(self, issuer: Issuer, name: str) -> str:
        """The variable that says this of an issuer."""
        named = [key for key, one in self.settings.issuers.items() if one == issuer]
        if not named and name in _ALONE:
            return _ALONE[name]
        return f"SUITE_ISSUERS__{(named or ['main'])[0].upper()}__{name.upper()}"

    def line(self, issuer: Issuer, name: str, value: object) -> str:
        """The line of an environment that says this of an issuer."""
        said = value if isinstance(value, str) else f"'{orjson.dumps(value).decode()}'"
        line = f"{self.setting(issuer, name)}={said}"
        if self.settings.issuers or name in _ALONE:
            return line
        url = f"SUITE_ISSUERS__MAIN__URL={issuer.url}"
        return f"{line}\n(with {url} in place of SUITE_ISSUER, and all else of it said there too)"


@dataclass
class Told:
    """What was found, step by step.

    Attributes:
        findings: In the order of the verifier.
        reasons: Why the token is refused (`ADVICE`), or `unavailable`; the first is what its sender is told.
        caller: Whom the token is taken for, once all its claims can be read.
    """

    findings: list[Finding] = field(default_factory=list[Finding])
    reasons: list[str] = field(default_factory=list[str])
    caller: Caller | None = None

    @property
    def outcome(self) -> str:
        return self.reasons[0] if self.reasons else "accepted"

    def add(self, level: Literal["ok", "note", "warning", "problem"], text: str, fix: str = "") -> None:
        self.findings.append(Finding(level, text, fix))

    def refused(self, reason: str, text: str, fix: str) -> None:
        """One more reason to refuse the token."""
        self.reasons.append(reason)
        self.add("problem", text, fix)

    def held(self, check: Callable[[], T], wrong: Wrong) -> T | None:
        """What a check of the verifier's gives; None if it refuses, which is told."""
        try:
            return check()
        except Unauthenticated as refusal:
            self.refused(refusal.reason, *wrong(refusal.reason))
            return None

    def passes(self, check: Callable[[], None], wrong: Wrong) -> bool:
        """Whether the token passes a check of the verifier's; if it does not, that is told."""
        before = len(self.reasons)
        self.held(check, wrong)
        return len(self.reasons) == before
