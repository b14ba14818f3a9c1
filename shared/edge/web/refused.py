from shared.core.errors import SuiteError


class Refused(SuiteError):
    """A request of a browser that goes no further; nothing of it was done.

    Attributes:
        reason: A short word for what is counted.
        status: Of the answer.
        message: What the person reads, and what they can do.
    """

    def __init__(self, reason: str, status: int, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.status = status
        self.message = message
