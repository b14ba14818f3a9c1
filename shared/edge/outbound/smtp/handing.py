"""One mail over one connection: sender, recipients, text.

Where the relay offers it and the settings allow it, sender, recipients and DATA go in one write (RFC 2920), which
saves as many round trips as there are recipients, and one. What the answers mean is the same.

`unknown` begins with the first byte of the text that is written, since its end mark goes in the same write, and ends
with the relay's answer. Before, a relay has nothing that it could deliver (RFC 5321 §4.1.1.4).
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from shared.core.smtp_settings import Smtp
from shared.edge.outbound.smtp.bounces import no_such_address
from shared.edge.outbound.smtp.connection import Connection, Gone
from shared.edge.outbound.smtp.outcomes import Handed, Letter, Reply
from shared.edge.outbound.smtp.wire import commands, stuffed, unfit

_GO_ON = 354
_OK = 300
_DATA = b"DATA\r\n"
_NOTHING = b".\r\n"


async def hand_over(connection: Connection, letter: Letter, smtp: Smtp, before_text: Callable[[], None]) -> Handed:
    """Hand it over and say what became of it.

    `before_text` is called at the last moment at which the mail can still be kept back. What it raises is raised here,
    and the connection is of no use then.
    """
    text = stuffed(letter.mime)
    size = len(text) - len(_NOTHING)
    if (why := unfit(letter, connection.offers, size)) is not None:
        return Handed("refused", refused=dict.fromkeys(letter.recipients, why), reply=why)
    connection.mails += 1
    connection.dirty = True
    said = commands(letter, connection.offers, size)
    try:
        if smtp.pipelining and connection.offers.pipelining:
            sender, each, go_on = await _in_one(connection, said, smtp.answer_s)
        else:
            sender, each, go_on = await _one_by_one(connection, said, smtp.answer_s)
        handed = _judged(letter, sender, each, go_on)
        if handed.became != "taken":
            if go_on.code == _GO_ON:  # it would take a mail for nobody, so it gets one that says nothing
                await connection.say(_NOTHING, smtp.answer_s)
                await connection.answer(smtp.answer_s)
            return handed
    except Gone:
        return Handed("lost")
    try:
        before_text()
    except BaseException:  # cancellation too: the relay waits for a text on this connection, and gets no other command
        connection.broken = True
        raise
    return await _text(connection, text, handed, smtp.accept_s)


async def _text(connection: Connection, text: bytes, handed: Handed, within_s: float) -> Handed:
    try:
        await connection.say(text, within_s)
        reply = await connection.answer(within_s)
    except Gone:
        return replace(handed, became="unknown", accepted=())
    connection.dirty = False
    if reply.code < _OK:
        return replace(handed, reply=reply)
    rest = dict.fromkeys(handed.accepted, reply)
    if reply.permanent:
        became = "later" if handed.later else "refused"
        return replace(handed, became=became, accepted=(), refused={**handed.refused, **rest}, reply=reply)
    return replace(handed, became="later", accepted=(), later={**handed.later, **rest}, reply=reply)


async def _in_one(connection: Connection, said: Sequence[bytes], within_s: float) -> tuple[Reply, list[Reply], Reply]:
    await connection.say(b"".join(said) + _DATA, within_s)
    sender = await connection.answer(within_s)
    each = [await connection.answer(within_s) for _ in said[1:]]
    return sender, each, await connection.answer(within_s)


async def _one_by_one(
    connection: Connection, said: Sequence[bytes], within_s: float
) -> tuple[Reply, list[Reply], Reply]:
    replies: list[Reply] = []
    for command in said:
        await connection.say(command, within_s)
        replies.append(await connection.answer(within_s))
        if replies[0].code >= _OK:
            return replies[0], [], replies[0]
    if all(reply.code >= _OK for reply in replies[1:]):
        return replies[0], replies[1:], replies[-1]
    await connection.say(_DATA, within_s)
    return replies[0], replies[1:], await connection.answer(within_s)


def _judged(letter: Letter, sender: Reply, each: Sequence[Reply], go_on: Reply) -> Handed:
    """What the answers before the text come to; `taken` means that the text may be sent, for those accepted."""
    if sender.code >= _OK:
        return _all(letter.recipients, sender)
    answers = dict(zip(letter.recipients, each, strict=True))
    accepted = tuple(who for who, reply in answers.items() if reply.code < _OK)
    refused = {who: reply for who, reply in answers.items() if reply.permanent}
    later = {who: reply for who, reply in answers.items() if reply.code >= _OK and not reply.permanent}
    bounced = frozenset(who for who, reply in refused.items() if no_such_address(reply))
    if accepted and go_on.code == _GO_ON:
        return Handed("taken", accepted, refused, later, bounced=bounced)
    if accepted:  # it took recipients, and then no text
        whole = _all(accepted, go_on)
        refused, later = {**refused, **whole.refused}, {**later, **whole.later}
    reply = next(iter([*later.values(), *refused.values()]))
    return Handed("later" if later else "refused", (), refused, later, reply, bounced)


def _all(recipients: Sequence[str], reply: Reply) -> Handed:
    same = dict.fromkeys(recipients, reply)
    if reply.permanent:
        return Handed("refused", refused=same, reply=reply)
    return Handed("later", later=same, reply=reply)
