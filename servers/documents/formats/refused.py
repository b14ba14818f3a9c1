from typing import Literal

Code = Literal[
    "empty",
    "too_large",
    "encoding",
    "binary",
    "unsupported",
    "mismatch",
    "archive",
    "encrypted",
    "broken",
    "bomb",
    "too_long",
]
"""Why a file is not taken, as a stable word:

- `empty`        there is nothing in it
- `too_large`    more bytes, characters, lines or pages than we keep
- `encoding`     text in another encoding than UTF-8, or UTF-16 with a byte order mark
- `binary`       said to be text, and is not
- `unsupported`  a format we do not read
- `mismatch`     the content is not what the name says
- `archive`      a container of other files, under whatever name
- `encrypted`    cannot be read without a password
- `broken`       damaged beyond reading
- `bomb`         small, but grows without measure when it is read
- `too_long`     took too long to read
"""


class Refused(Exception):
    """A file that is not taken.

    Attributes:
        code: Why, for reports and counts.
        message: What is the matter and what to do about it; holds nothing of the file's content.
    """

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(code, message)
        self.code: Code = code
        self.message = message

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"
