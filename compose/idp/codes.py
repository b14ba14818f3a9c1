from collections.abc import Callable

from compose.idp.expiring import Expiring
from compose.idp.grants import Approved
from compose.idp.single_use import SingleUse
from compose.idp.tokens import TOKEN_LIFETIME_S

_CODE_S = 60
_CODES = 1000


class Codes:
    """Authorization codes: good once, for a minute; those used are remembered while their tokens live."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._good: SingleUse[Approved] = SingleUse(_CODE_S, _CODES, clock)
        self._used: Expiring[Approved] = Expiring(_CODES, clock)

    def put(self, approved: Approved) -> str:
        return self._good.put(approved)

    def take(self, code: str) -> Approved | None:
        """What it stands for; whoever tries and fails has used it up."""
        approved = self._good.take(code)
        if approved is not None:
            self._used.put(code, approved, self._clock() + TOKEN_LIFETIME_S)
        return approved

    def used(self, code: str) -> Approved | None:
        """What a code stood for that was taken before."""
        return self._used.get(code)
