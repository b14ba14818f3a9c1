from sqlalchemy import Column, MetaData, String, Table, bindparam, insert, select

from shared.state.database import Statement

links = Table(
    "links",
    MetaData(schema="links"),
    Column("name", String, primary_key=True),
    Column("url", String),
    Column("title", String),
    Column("saved_by", String),
)

FIND = Statement(
    select(links).where(links.c.title >= bindparam("low"), links.c.title < bindparam("high")).order_by(links.c.title)
)
ONE = Statement(select(links).where(links.c.name == bindparam("name")))
SAVE = Statement(
    insert(links)
    .values(name=bindparam("new_name"), url=bindparam("url"), title=bindparam("title"), saved_by=bindparam("saved_by"))
    .returning(*links.columns)
)
