"""What is read, in SQL. Row-level security adds the tenant and the caller's rights to every statement."""

from typing import Any

from sqlalchemy import (
    ARRAY,
    ColumnClause,
    DateTime,
    Float,
    Integer,
    LargeBinary,
    String,
    bindparam,
    case,
    cast,
    column,
    func,
    literal_column,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import TSQUERY

from servers.documents.rights import SECRET
from servers.documents.schema import documents, links, sections, versions
from shared.state.database import Statement

_d, _v, _s, _l = documents.c, versions.c, sections.c, links.c
_WORDS: ColumnClause[Any] = literal_column("'documents.words'::regconfig")
_ONE = literal_column("1", Integer)
_DEEPEST = literal_column("6", Integer)
_SECRET = [literal_column(f"'{each}'", String) for each in sorted(SECRET)]

LOOKED_AT_MAX = 1000
"""Sections of one document of which the best is found; those after them are found, and not shown."""

SHOWN = (
    _d.id, _d.collection, _d.path, _d.title, _d.summary, _d.media_type, _d.size, _d.digest, _d.labels,
    _d.classification, _d.readers, _d.version, _d.updated_at,
)  # fmt: skip
"""A document without its content."""

_here = (_d.collection == bindparam("collection"), _d.path == bindparam("path"), _d.archived_at.is_(None))
BY_PATH = Statement(select(*SHOWN).where(*_here))
LOCKED = Statement(select(*SHOWN, _d.archived_at).where(*_here).with_for_update())
LOCKED_BY_ID = Statement(select(*SHOWN, _d.archived_at).where(_d.id == bindparam("id")).with_for_update())

_from = bindparam("start", type_=Integer) + _ONE
_most = bindparam("most", type_=Integer)
_of_version = (
    _v.document_id == _d.id,
    _v.version == func.coalesce(bindparam("version", type_=Integer), _d.version),
)
_VERSION = (
    _d.id, _d.collection, _d.path, _d.readers, _d.version.label("current"), _v.version, _v.title, _v.summary,
    _v.media_type, _v.size, _v.digest, _v.labels, _v.classification, _v.characters, _v.found,
    _v.written_at.label("updated_at"),
)  # fmt: skip
PIECE = Statement(select(*_VERSION, func.substr(_v.text, _from, _most).label("text")).where(*_here, *_of_version))
"""Some characters of one version."""
BYTES = Statement(
    select(*_VERSION, func.substr(_v.content, _from, _most, type_=LargeBinary).label("content"))
    .where(*_here, *_of_version)
)  # fmt: skip
"""Some bytes of one version."""

_next = sections.alias("next")
_stop = (
    select(func.min(_next.c.start))
    .where(
        _next.c.document_id == _s.document_id,
        _next.c.number > _s.number,
        _next.c.level <= case((_s.level == 0, _DEEPEST), else_=_s.level),
    )
    .scalar_subquery()
)
SECTION = Statement(
    select(_d.id, _d.version, _s.start, _stop.label("stop"), _s.heading)
    .where(*_here, _s.document_id == _d.id, _s.anchor == bindparam("anchor"))
)  # fmt: skip
"""Where a section of the current version begins, and where the next begins that is not below it."""

SECTIONS = Statement(
    select(_s.heading, _s.anchor, _s.level, _s.start, _s.stop, func.count().over().label("in_all"))
    .where(_s.document_id == bindparam("id"))
    .order_by(_s.number)
    .offset(bindparam("skip"))
    .limit(bindparam("most"))
)

_children = func.documents.children(
    bindparam("collection", type_=String), bindparam("folder", type_=String), bindparam("begun", type_=String),
    bindparam("after", type_=String), bindparam("most", type_=Integer),
).table_valued(
    column("name", String), column("is_folder"), column("is_secret"), column("document_id", String)
).alias("child")  # fmt: skip
CHILDREN = Statement(
    select(_children.c.name, _children.c.is_folder, _children.c.is_secret, *SHOWN)
    .select_from(_children.outerjoin(documents, _d.id == _children.c.document_id))
    .order_by(_children.c.name.collate("C"))
)
"""One level of a collection: folders, and documents with their columns."""

COLLECTIONS = Statement(
    select(
        _d.collection,
        func.count().label("documents"),
        func.max(_d.updated_at).label("updated_at"),
        func.bool_and(_d.classification.in_(_SECRET)).label("is_secret"),
    )
    .where(_d.archived_at.is_(None))
    .group_by(_d.collection)
    .order_by(_d.collection)
)

RECENT = Statement(
    select(*SHOWN)
    .where(_d.archived_at.is_(None))
    .where(
        func.row(_d.updated_at, _d.id)
        < func.row(bindparam("before_at", type_=DateTime(timezone=True)), bindparam("before_id", type_=String))
    )
    .order_by(_d.updated_at.desc(), _d.id.desc())
    .limit(bindparam("limit"))
)

_wanted = func.to_tsquery(_WORDS, bindparam("wanted", type_=String))
_ways = func.documents.most_of(bindparam("each", type_=ARRAY(String)), bindparam("absent", type_=String))
_hit = func.documents.search(
    _wanted, cast(bindparam("required", type_=String), TSQUERY),
    bindparam("since", type_=DateTime(timezone=True)), bindparam("until", type_=DateTime(timezone=True)),
    bindparam("most", type_=Integer), func.array_append(_ways, _wanted), bindparam("phrases", type_=ARRAY(String)),
).table_valued(column("document_id", String), column("rank", Float)).alias("hit")  # fmt: skip
_page = (
    select(_hit.c.document_id, _hit.c.rank, func.count().over().label("total"))
    .order_by(_hit.c.rank.desc(), _hit.c.document_id)
    .offset(bindparam("skip"))
    .limit(bindparam("limit"))
    .subquery("page")
)
_each_word = cast(func.replace(cast(_wanted, String), "&", "|"), TSQUERY)
"""No section may have all of the words."""
_best = (
    select(_s.anchor, _s.heading, func.left(_s.plain, bindparam("look_at", type_=Integer)).label("plain"))
    .where(_s.document_id == _page.c.document_id, _s.number < literal_column(str(LOOKED_AT_MAX), Integer))
    .order_by(func.ts_rank(_s.words, _each_word).desc(), _s.number)
    .limit(_ONE)
    .lateral("best")
)  # fmt: skip
SEARCH = Statement(
    select(*SHOWN, _page.c.rank, _page.c.total, _best.c.anchor, _best.c.heading, _best.c.plain)
    .select_from(_page.join(documents, _d.id == _page.c.document_id).outerjoin(_best, true()))
    .order_by(_page.c.rank.desc(), _d.id)
)
"""Found documents, the best first, each with the section that fits best.

Row-level security decides again on each document, whatever the search function said.
"""

_given = func.unnest(bindparam("texts", type_=ARRAY(String))).table_valued(
    column("text", String), with_ordinality="place", name="given"
).render_derived()  # fmt: skip
MARKED = Statement(
    select(
        func.ts_headline(
            _WORDS, _given.c.text, _wanted, literal_column("'HighlightAll=true, StartSel=\x02, StopSel=\x03'")
        ).label("marked")
    ).order_by(_given.c.place)
)
"""Texts as `fold` leaves them, with marks around what fits. It asks no table."""

SIMILAR = Statement(
    select(*SHOWN, _page.c.rank)
    .select_from(_page.join(documents, _d.id == _page.c.document_id))
    .order_by(_page.c.rank.desc(), _d.id)
)

_target = documents.alias("target")
LINKED_TO = Statement(
    select(*SHOWN)
    .where(
        _l.document_id == bindparam("id"), _d.collection == _l.collection, _d.stem == _l.stem, _d.archived_at.is_(None)
    )
    .order_by(_l.number)
    .limit(bindparam("limit"))
)
LINKED_FROM = Statement(
    select(*SHOWN)
    .where(
        _l.collection == bindparam("collection"), _l.stem == bindparam("stem"), _d.id == _l.document_id,
        _d.archived_at.is_(None),
    )
    .distinct()
    .order_by(_d.updated_at.desc(), _d.id)
    .limit(bindparam("limit"))
)  # fmt: skip
HEADINGS = Statement(
    select(_s.heading)
    .where(_s.document_id == bindparam("id"), _s.level > 0)
    .order_by(_s.level, _s.number)
    .limit(_DEEPEST)
)

TEXTS = Statement(
    select(_v.version, _v.title, _v.labels, _v.classification, _v.media_type, _v.text, _v.outline).where(
        _v.document_id == bindparam("id"), _v.version == func.any(bindparam("versions", type_=ARRAY(Integer)))
    )
)
"""Whole texts of some versions."""
