"""When a mail goes again."""

import random

from shared.core.smtp_settings import Delivery

_SPREAD = 0.2
_SOON = 0.1


def after(delivery: Delivery, attempt: int, became: str) -> float:
    """Seconds until the next attempt: `retry_s` and twice as long each time, a fifth more or less.

    A connection that was lost before the text says nothing of the mail: the first such wait is a tenth of that.
    """
    first = delivery.retry_s * (_SOON if became == "lost" else 1)
    wait_s = min(first * 2 ** min(attempt - 1, 30), delivery.retry_most_s)
    return wait_s * random.uniform(1 - _SPREAD, 1 + _SPREAD)  # noqa: S311 - spreads, keeps no secret
