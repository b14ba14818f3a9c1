"""Looking at a mail as it would go, and sending it: what was looked at is what goes."""

from servers.mail import queries
from servers.mail.answers import Preview, Sent
from servers.mail.arguments import PreviewEmail, Sendable, SendEmail
from servers.mail.composing import Whole, whole_of
from servers.mail.content import content_of, draft_at
from servers.mail.delivering.queueing import enqueue
from servers.mail.ids import new_id
from servers.mail.models import RECIPIENTS_MAX
from servers.mail.tools import ELSEWHERE, RELAY, tools
from shared.core.errors import Conflict, Invalid
from shared.core.tool import Call, Risk

_DEADLINE_S = 30


@tools.read("mail:write", elsewhere=ELSEWHERE, deadline_s=_DEADLINE_S)
async def preview_email(call: Call, query: PreviewEmail) -> Preview:
    """Look at a mail exactly as it would go: recipients found, template filled in, attachments read, and in `findings`
    what was taken out of it or should be looked at. `blocked` says that it cannot be sent like this. Takes what
    send_email takes: a draft and its version, or the mail itself.
    """
    whole = await _whole(call, query)
    blocked = not whole.going or any(found.severity == "block" for found in whole.built.findings)
    return Preview(**whole.shown(), blocked=blocked)


@tools.write(
    "mail:send",
    risk=Risk.HIGH,
    inverse="cancel_email",
    open_world=True,
    uses=RELAY,
    editable=("subject", "text", "html"),
    elsewhere=ELSEWHERE,
    deadline_s=_DEADLINE_S,
)
async def send_email(call: Call, query: SendEmail) -> Sent:
    """Send one mail: a draft by its id and version, or sender, recipients, subject and text here. Look at it first with
    preview_email or dry_run. Set `inside` if all recipients are colleagues; mail to others, and with something
    confidential, may need an approval, which you are told. It is sent as it is now, whatever changes later. Follow it
    with get_email_status; cancel_email stops it while it waits. For many recipients use send_bulk_email.
    """
    whole = await _whole(call, query)
    whole.require_sendable()
    _require_truth(whole, query)
    if query.draft_id is not None:
        await draft_at(call.transaction, query.draft_id, query.version, lock=True)
        await call.transaction.rows(queries.DRAFT_SENT, by_id=query.draft_id, new_mail_id=whole.mail_id)
        call.changed(f"mail://{query.draft_id}")
    await enqueue(call.transaction, [whole.mail(call)])
    return Sent(**whole.shown(), id=whole.mail_id, state="queued")


async def _whole(call: Call, query: Sendable) -> Whole:
    content = await content_of(call, query)
    if len(content.to) + len(content.cc) + len(content.bcc) > RECIPIENTS_MAX:
        raise Invalid(f"A mail goes to {RECIPIENTS_MAX} at most; for more there is send_bulk_email.")
    return await whole_of(call, content, new_id("M"))


def _require_truth(whole: Whole, query: SendEmail) -> None:
    """Policy decided by what the call says of the mail, so that has to be so."""
    require_inside(inside=query.inside, outside=whole.outside)
    if whole.confidential and not query.confidential:
        raise Conflict(
            "An attachment is confidential, and policy judges by `confidential`. If it is to go out all the same, "
            "repeat the call with confidential: true; a person may have to approve it.",
            confidential=True,
        )


def require_inside(*, inside: bool, outside: bool) -> None:
    """Nothing, unless somebody outside is written to although `inside` says otherwise.

    Raises:
        Conflict: So it is.
    """
    if inside and outside:
        raise Conflict(
            "Somebody outside is among the recipients, and `inside` says there is not. Repeat it without inside; it "
            "may need a confirmation or an approval then.",
            outside=True,
        )
