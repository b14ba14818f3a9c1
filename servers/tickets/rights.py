"""What row-level security asks of the caller: whether comments for colleagues are there."""

from collections.abc import Sequence

from servers.tickets.models import INTERNAL
from shared.core.caller import Caller


def rights(caller: Caller) -> Sequence[str]:
    """The words of `app.rights`."""
    return ["internal"] if caller.may(INTERNAL) else []
