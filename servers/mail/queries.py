"""SQL of drafts, templates, senders and rules. Row-level security adds the tenant to every statement."""

from functools import cache

from sqlalchemy import (
    ARRAY,
    Integer,
    String,
    bindparam,
    delete,
    func,
    insert,
    literal_column,
    null,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql import insert as pg_insert

from servers.mail.delivering.tables import mails
from servers.mail.schema import (
    bulk_recipients,
    bulks,
    domain_rules,
    drafts,
    senders,
    suppressions,
    templates,
)
from shared.state.database import Statement

_d, _t, _s, _p, _b, _r = drafts.c, templates.c, senders.c, suppressions.c, bulks.c, bulk_recipients.c
_texts = ARRAY(String)

# Drafts
FIELDS = ("sender", "to", "cc", "bcc", "subject", "text", "html", "template", "variables", "attachments")
"""What a draft says, in the order it is shown."""

DRAFT = Statement(select(drafts).where(_d.id == bindparam("id")))
LOCKED_DRAFT = Statement(select(drafts).where(_d.id == bindparam("id")).with_for_update())
NEW_DRAFT = Statement(
    insert(drafts)
    .values({name: bindparam(f"new_{name}", type_=_d[name].type) for name in ("id", *FIELDS, "created_by", "by_actor")})
    .returning(*drafts.columns)
)
UPDATE_DRAFT = Statement(
    update(drafts)
    .where(_d.id == bindparam("by_id"))
    .values({name: bindparam(f"new_{name}", type_=_d[name].type) for name in FIELDS})
    .values(version=_d.version + literal_column("1", Integer), updated_at=func.now())
    .returning(*drafts.columns)
)
DRAFT_SENT = Statement(
    update(drafts).where(_d.id == bindparam("by_id")).values(mail_id=bindparam("new_mail_id", type_=String))
)

# Templates, senders, rules
TEMPLATES = Statement(select(templates).order_by(_t.name).limit(literal_column("500", Integer)))
TEMPLATE = Statement(select(templates).where(_t.name == bindparam("name")))
TEMPLATE_LOCKED = Statement(select(templates).where(_t.name == bindparam("name")).with_for_update())
_saved = pg_insert(templates).values(
    {
        name: bindparam(f"new_{name}", type_=_t[name].type)
        for name in (
            *("name", "version", "title", "description", "subject", "text", "html", "variables"),
            "created_by",
        )
    }
)
SAVE_TEMPLATE = Statement(
    _saved.on_conflict_do_update(
        constraint="templates_pkey",
        set_={
            **{each.name: _saved.excluded[each.name] for each in templates.columns if each.name != "updated_at"},
            "updated_at": func.now(),
        },
    )
)
SENDERS = Statement(select(senders).order_by(_s.name).limit(literal_column("500", Integer)))
RULES = Statement(select(domain_rules).order_by(domain_rules.c.domain))
SUPPRESSED = Statement(
    select(_p.address, _p.reason).where(_p.address == func.any(bindparam("addresses", type_=_texts)))
)
SUPPRESS = Statement(
    text(
        "INSERT INTO mail.suppressions (address, reason, mail_id) "
        "SELECT address, :new_reason, :new_mail_id FROM unnest(CAST(:addresses AS text[])) AS address "
        "ON CONFLICT DO NOTHING"
    ).bindparams(
        bindparam("addresses", type_=_texts),
        bindparam("new_reason", type_=String),
        bindparam("new_mail_id", type_=String),
    )
)
UNSUPPRESS = Statement(
    delete(suppressions)
    .where(_p.address == bindparam("address"), _p.reason == bindparam("for_reason"))
    .returning(_p.reason, _p.mail_id, _p.created_at)
)

# Bulks
NEW_BULK = Statement(
    insert(bulks).values(
        {name: bindparam(f"new_{name}", type_=_b[name].type) for name in ("job_id", "sender", "template", "requester")}
    )
)
_OF_RECIPIENT = "place, mail_id, address, customer_id, name, variables"
NEW_BULK_RECIPIENTS = Statement(
    text(
        f"INSERT INTO mail.bulk_recipients (job_id, {_OF_RECIPIENT}) "  # noqa: S608 - names of ours
        f"SELECT :job_id, {', '.join(f'r.{name}' for name in _OF_RECIPIENT.split(', '))} "
        "FROM jsonb_populate_recordset(NULL::mail.bulk_recipients, :rows) AS r"
    ).bindparams(bindparam("rows", type_=JSONB), bindparam("job_id", type_=String))
)
BULK = Statement(select(bulks).where(_b.job_id == bindparam("job_id")))
BULK_COUNT = Statement(select(func.count().label("count")).where(_r.job_id == bindparam("job_id")))
BULK_PART = Statement(
    select(bulk_recipients)
    .where(_r.job_id == bindparam("job_id"), _r.place > bindparam("after", type_=Integer))
    .order_by(_r.place)
    .limit(bindparam("limit", type_=Integer))
)

# Mails, beside what `delivering/reading.py` reads
_MAIL = tuple(
    mails.c[name]
    for name in (
        *("id", "sender", "subject", "state", "created_by", "draft_id", "template", "job_id", "confidential"),
        *("created_at", "updated_at", "next_attempt_at", "sent_at", "emptied_at"),
    )
)
_before = tuple_(bindparam("before_at", type_=mails.c.created_at.type), bindparam("before_id", type_=String))


@cache
def mails_before(names: frozenset[str]) -> Statement:
    """Mails before the position, the newest first; each name is a column that has the value of that name."""
    fitting = [mails.c[name] == bindparam(name) for name in sorted(names)]
    walked = select(*_MAIL).where(*fitting, tuple_(mails.c.created_at, mails.c.id) < _before)
    return Statement(walked.order_by(mails.c.created_at.desc(), mails.c.id.desc()).limit(bindparam("limit")))


FREE_DRAFT = Statement(update(drafts).where(_d.mail_id == bindparam("of_mail")).values(mail_id=null()).returning(_d.id))
