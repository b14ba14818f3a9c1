"""Which refusals of a recipient say that there is no such address (a hard bounce), rather than something of us.

A code alone does not: 550 is "mailbox not found, no access, or command rejected for policy reasons" (RFC 5321 §4.2.3),
552 and 554 are of size and content as well. So the enhanced status code decides (RFC 3463), where the relay gives one
(RFC 2034). Of class 5 these are of the address itself:

    5.1.1   no such mailbox                      5.1.6   it moved, and nobody says where to
    5.1.2   no such domain                       5.1.10  the domain takes no mail (RFC 7505)
    5.1.3   not an address

and of all others none is: 5.1.0 says nothing, 5.1.4 is ambiguous, 5.1.7 and 5.1.8 are of the sender, 5.2.x of a mailbox
that is there (closed for a while, full, or given too much), 5.3.x and 5.4.x of systems and ways, 5.5.x of the protocol,
5.6.x of the content, 5.7.x of policy and our reputation. Without an enhanced code only 556 is (RFC 7504 §3).
"""

import re

from shared.edge.outbound.smtp.outcomes import Reply

_STATUS = re.compile(r"([245]\.\d{1,3}\.\d{1,3})(?:\s|$)")
_OF_THE_ADDRESS = frozenset({"5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10"})
_TAKES_NO_MAIL = 556


def no_such_address(reply: Reply) -> bool:
    """Whether this answer to RCPT means that nothing will ever arrive there, whoever sends it."""
    if not reply.permanent:
        return False
    status = _STATUS.match(reply.text)
    return status[1] in _OF_THE_ADDRESS if status else reply.code == _TAKES_NO_MAIL
