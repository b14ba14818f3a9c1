class OAuthError(Exception):
    """A refusal in the words of OAuth.

    Args:
        error: The code of RFC 6749 §4.1.2.1 or §5.2, RFC 7591 §3.2.2, or RFC 8707 §2.
        description: What the developer of the client should do next; ASCII without quotes or backslashes
            (RFC 6749 §5.2), and never a value from the request.
        status: HTTP status where the refusal is not a redirect.
    """

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(description)
        self.error = error
        self.description = description
        self.status = status
