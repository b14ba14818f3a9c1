import time
from typing import Any

from compose.idp.machines import MACHINES
from compose.idp.personas import PERSONAS
from shared.core.errors import Misconfigured


def acting(who: str, act: str | None) -> dict[str, Any]:
    """The claims of a minted token that say who acts (RFC 8693 §4.1), as an exchange would have put them there.

    Args:
        who: Whose token it is: a persona, or a machine.
        act: The machine that acts for them; for a machine, the persona who vouches for it; None if nobody does.

    Raises:
        Misconfigured: There is no such persona or machine, or they are of two tenants.
    """
    known = PERSONAS | MACHINES
    for name in (who, *([act] if act else [])):
        if name not in known:
            raise Misconfigured(f"there is no persona {name!r}; there are: {', '.join(known)}")
    if act is None:
        return {}
    if (who in MACHINES) == (act in MACHINES) or known[who].tenant != known[act].tenant:
        raise Misconfigured("a machine acts for a persona, or a persona vouches for a machine, of the same tenant")
    claims: dict[str, Any] = {"act": {"sub": known[act].subject}}
    if act in MACHINES:
        return {**claims, "client_id": act}
    return {**claims, "acr": PERSONAS[act].acr, "auth_time": int(time.time())}
