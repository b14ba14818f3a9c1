"""What a model can do with mail: the modules that `server.py` lists under ACTS declare it on this toolset, each beside
what it does. The docstrings are what the model reads; `arguments.py`, `models.py` and `answers.py` have the rest.
"""

from shared.core.toolset import Toolset

tools = Toolset()

RELAY = "mail_relay"
"""What sending uses downstream; its calls have a rate of their own."""
ELSEWHERE = ("customers:contact", "documents:read", "documents:confidential", "documents:restricted")
"""Scopes of other servers, for recipients by customer id and for attachments; used as far as the caller has them."""
