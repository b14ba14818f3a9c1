"""Tells people by mail, and their programs by signed webhook, that calls wait for them, wait for long, or run out.

- `working.py`  takes what is to be told from the queue, and gives it back until it was told
- `saying.py`   the words: what kind of call, who asked, until when, where to decide; nothing of what is in it
"""

from servers.console.notifying.working import notify

__all__ = ["notify"]
