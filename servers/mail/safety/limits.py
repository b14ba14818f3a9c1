"""How large anything of a mail may be; whatever is larger is refused before it is read any further."""

SUBJECT = 250
"""Characters."""

NAME = 128
"""Characters of a display name."""

FILE_NAME = 120
"""Characters of an attachment's name."""

TEXT = 200 * 1024
"""Bytes of the plain text, in UTF-8."""

HTML = 500 * 1024
"""Bytes of the HTML, in UTF-8, before and after it is made safe."""

MESSAGE = 10 * 1024 * 1024
"""Bytes of the whole message as it goes over the wire."""

RECIPIENTS = 100
"""Of one message, To, Cc and Bcc together: RFC 5321 §4.5.3.1.8 promises no more."""

ATTACHMENTS = 20

TAGS = 20_000
"""Of the HTML."""

DEPTH = 100
"""Elements within elements: parsers take quadratic time in it."""

ATTRIBUTES = 60
"""Of one tag: parsers take quadratic time in it."""

SCANNED = 1024 * 1024
"""Bytes of text attachments, together, that are searched for secrets and personal numbers."""

SHOWN = 80
"""Characters of an excerpt in a finding."""
