"""The step after choosing a persona on which a second factor is pretended: the code to enter is on the page."""

import secrets
from dataclasses import dataclass, field
from string import Template

from starlette.responses import HTMLResponse

from compose.idp.grants import Asked
from compose.idp.page import FOLDER, destination, fill, respond
from compose.idp.personas import Persona
from compose.idp.redirects import origin

CONTEXT = "aal2"
"""`acr` of who entered the code (NIST SP 800-63B)."""
TICK = "second_factor"
"""The field of the sign-in page with which somebody wants this step though nobody asks for it."""
_TRIES = 5
_PAGE = Template((FOLDER / "second_factor.html").read_text("utf-8"))
_WRONG = Template((FOLDER / "warning.html").read_text("utf-8"))


@dataclass(frozen=True)
class Proving:
    """Somebody chose a persona and now enters a code.

    Attributes:
        left: How many tries.
    """

    asked: Asked
    persona: Persona
    code: str = field(default_factory=lambda: f"{secrets.randbelow(10**6):06}", repr=False)
    left: int = _TRIES

    @property
    def browser(self) -> str:
        return self.asked.browser

    def accepts(self, entered: str) -> bool:
        return secrets.compare_digest(self.code.encode(), entered.strip().encode())

    def again(self) -> "Proving | None":
        """The next try, for another code; None after the last one."""
        return Proving(self.asked, self.persona, left=self.left - 1) if self.left > 1 else None


def is_wanted(asked: Asked, ticked: str | None) -> bool:
    """Whether the client asks for a second factor (`acr_values`), or the person does."""
    return asked.acr == CONTEXT or ticked is not None


def prove(proving: Proving, transaction: str, action: str) -> HTMLResponse:
    """The page with the code and the field to enter it."""
    wrong = "" if proving.left == _TRIES else fill(_WRONG, {"warning": f"Wrong code. Tries left: {proving.left}."})
    text = {
        "action": action,
        "transaction": transaction,
        "persona": proving.persona.name,
        "tenant": proving.persona.tenant,
        "client": proving.asked.client.name,
        "host": destination(proving.asked.redirect_uri),
        "code": proving.code,
    }
    # browsers hold the redirect that answers a form to form-action too
    return respond(fill(_PAGE, text, wrong=wrong), 200, f"'self' {origin(proving.asked.redirect_uri)}")
