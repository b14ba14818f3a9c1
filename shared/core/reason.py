"""Why something cannot be had, for those who operate it: a caller is told that it is so, and nothing from inside."""

from shared.core.errors import SuiteError, Unavailable


def reason(error: SuiteError) -> str:
    """The error's sentence, and what a connection that failed said.

    A `ValueError` is about a URL that cannot be read: its text is left out, for it may quote a part with the password.
    """
    cause = error.__cause__
    if cause is None or not isinstance(error, Unavailable):
        return str(error)
    if isinstance(cause, ValueError) and not isinstance(cause, OSError):  # what TLS refuses is both
        return f"{error} (its URL is not SCHEME://USER:PASSWORD@HOST:PORT/NAME, or a password is not %-encoded in it)"
    return f"{error} ({str(cause) or type(cause).__name__})"
