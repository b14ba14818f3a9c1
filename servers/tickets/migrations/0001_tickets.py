"""Tickets, queues, comments, history, and what can be undone: every row behind forced row-level security."""

from alembic import op

from shared.state.migrate import run_script

revision = "0001"
down_revision = None

# Text that is looked up is COLLATE "C": bytes compare fast, the same on every machine, and leakproof, so that an index
# on it is used under row-level security. A row says which tenant it belongs to by itself; no statement has to.
TENANT_ID = """text COLLATE "C" NOT NULL DEFAULT current_setting('app.tenant', true) CHECK (tenant_id <> '')"""

TABLES = (
    f"""
    CREATE TABLE tickets.queues (
        tenant_id {TENANT_ID},
        name text COLLATE "C" NOT NULL,
        title text NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (tenant_id, name)
    )
    """,
    # `links` holds "blocks T-1", and the other ticket "blocked_by T-2". `marks` are words for the index that no text
    # has (marks.py).
    f"""
    CREATE TABLE tickets.tickets (
        tenant_id {TENANT_ID},
        id text COLLATE "C" NOT NULL,
        type text COLLATE "C" NOT NULL CHECK (type IN ('question', 'request', 'incident', 'problem')),
        title text NOT NULL CHECK (title <> ''),
        body text NOT NULL,
        priority text COLLATE "C" NOT NULL CHECK (priority IN ('low', 'normal', 'high', 'urgent')),
        status text COLLATE "C" NOT NULL
            CHECK (status IN ('new', 'open', 'waiting', 'on_hold', 'resolved', 'closed', 'merged')),
        queue text COLLATE "C" NOT NULL,
        assignee text COLLATE "C",
        requester_name text,
        requester_email text,
        customer_id text COLLATE "C",
        due_at timestamptz NOT NULL,
        labels text[] NOT NULL DEFAULT '{{}}',
        watchers text[] NOT NULL DEFAULT '{{}}',
        links text[] NOT NULL DEFAULT '{{}}',
        attachments jsonb NOT NULL DEFAULT '[]',
        resolution text,
        resolved_at timestamptz,
        merged_into text COLLATE "C",
        created_by text COLLATE "C" NOT NULL,
        version integer NOT NULL DEFAULT 1 CHECK (version > 0),
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now(),
        marks text[] NOT NULL,
        words tsvector NOT NULL GENERATED ALWAYS AS (
            setweight(to_tsvector('english', title), 'A') || setweight(to_tsvector('english', body), 'D')
            || array_to_tsvector(marks)
        ) STORED,
        PRIMARY KEY (tenant_id, id),
        FOREIGN KEY (tenant_id, queue) REFERENCES tickets.queues (tenant_id, name),
        FOREIGN KEY (tenant_id, merged_into) REFERENCES tickets.tickets (tenant_id, id),
        CONSTRAINT merged_is_merged CHECK ((status = 'merged') = (merged_into IS NOT NULL)),
        CONSTRAINT finished_has_a_time CHECK ((status IN ('resolved', 'closed', 'merged')) = (resolved_at IS NOT NULL))
    )
    """,
    f"""
    CREATE TABLE tickets.comments (
        tenant_id {TENANT_ID},
        id text COLLATE "C" NOT NULL,
        ticket_id text COLLATE "C" NOT NULL,
        text text NOT NULL CHECK (text <> ''),
        internal boolean NOT NULL,
        author text NOT NULL,
        attachments jsonb NOT NULL DEFAULT '[]',
        created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        PRIMARY KEY (tenant_id, id),
        FOREIGN KEY (tenant_id, ticket_id) REFERENCES tickets.tickets (tenant_id, id)
    )
    """,
    # One row for each version of each ticket, the first one too. It is only ever added to.
    f"""
    CREATE TABLE tickets.history (
        tenant_id {TENANT_ID},
        ticket_id text COLLATE "C" NOT NULL,
        version integer NOT NULL,
        act text COLLATE "C" NOT NULL,
        change_id text COLLATE "C",
        by_subject text NOT NULL,
        by_actor text,
        at timestamptz NOT NULL DEFAULT now(),
        before jsonb NOT NULL,
        after jsonb NOT NULL,
        PRIMARY KEY (tenant_id, ticket_id, version),
        FOREIGN KEY (tenant_id, ticket_id) REFERENCES tickets.tickets (tenant_id, id)
    )
    """,
    # What undo_change may take back; the fields themselves are in the history.
    f"""
    CREATE TABLE tickets.changes (
        tenant_id {TENANT_ID},
        id text COLLATE "C" NOT NULL,
        act text COLLATE "C" NOT NULL,
        needs text[] NOT NULL,
        moved text[] NOT NULL DEFAULT '{{}}',
        comment_id text COLLATE "C",
        undone_at timestamptz,
        created_at timestamptz NOT NULL DEFAULT now(),
        expires_at timestamptz NOT NULL DEFAULT now() + interval '24 hours',
        PRIMARY KEY (tenant_id, id)
    )
    """,
)

# The order of each index is the order of an answer, so a page is read by walking it and stopping.
INDEXES = (
    "CREATE INDEX by_time ON tickets.tickets (tenant_id, updated_at, id)",
    "CREATE INDEX by_queue ON tickets.tickets (tenant_id, queue, updated_at, id)",
    "CREATE INDEX by_assignee ON tickets.tickets (tenant_id, assignee, updated_at, id)",
    "CREATE INDEX by_creator ON tickets.tickets (tenant_id, created_by, updated_at, id)",
    "CREATE INDEX by_customer ON tickets.tickets (tenant_id, customer_id, updated_at, id)",
    """
    CREATE INDEX unfinished ON tickets.tickets (tenant_id, queue, due_at, id, status, assignee)
        WHERE status IN ('new', 'open', 'waiting', 'on_hold')
    """,
    "CREATE INDEX by_words ON tickets.tickets USING gin (words)",
    "CREATE INDEX comments_walk ON tickets.comments (tenant_id, ticket_id, created_at, id)",
    "CREATE INDEX history_by_change ON tickets.history (tenant_id, change_id)",
    "CREATE INDEX changes_expiry ON tickets.changes (tenant_id, expires_at)",
)

TENANT = "(SELECT current_setting('app.tenant', true))"
# Comments for colleagues are not there for anybody else, whatever statement asks.
RIGHTS = "(SELECT nullif(current_setting('app.rights', true), '')::text[])"
MAY_SEE = f"(NOT internal OR coalesce(ARRAY['internal'] <@ {RIGHTS}, false))"
ROW_SECURITY = (
    *(
        f"ALTER TABLE tickets.{table} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY"
        for table in ("queues", "tickets", "comments", "history", "changes")
    ),
    *(
        f"CREATE POLICY tenant ON tickets.{table} USING (tenant_id = {TENANT})"
        for table in ("queues", "tickets", "history", "changes")
    ),
    f"CREATE POLICY readers ON tickets.comments USING (tenant_id = {TENANT} AND {MAY_SEE})",
    "CREATE POLICY search ON tickets.tickets FOR SELECT TO suite_search USING (true)",
)

GRANTS = (
    "GRANT USAGE ON SCHEMA tickets TO suite_app, suite_search",
    "GRANT SELECT, INSERT ON tickets.queues TO suite_app",
    "GRANT SELECT, INSERT, UPDATE ON tickets.tickets TO suite_app",
    "GRANT SELECT, INSERT, UPDATE (ticket_id), DELETE ON tickets.comments TO suite_app",
    "GRANT SELECT, INSERT ON tickets.history TO suite_app",
    "GRANT SELECT, INSERT, UPDATE (undone_at), DELETE ON tickets.changes TO suite_app",
    "GRANT SELECT ON tickets.tickets TO suite_search",
)

# Full-text operators are not leakproof: under row-level security PostgreSQL would read every row before it used one.
# So this runs as a role that sees all rows, and asks for the tenant itself, in the index and again on each row.
# `wanted` is null where no words are: then tickets are found by their marks alone. Of those that a query has only very
# common words for, none is found. Of very many, `most` are ranked.
AS_WORD = """
CREATE FUNCTION tickets.as_word(mark text) RETURNS tsquery
LANGUAGE sql IMMUTABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
    SELECT (
        chr(39) || replace(replace(mark, chr(92), chr(92) || chr(92)), chr(39), chr(39) || chr(39)) || chr(39)
    )::tsquery
$$
"""
SEARCH = """
CREATE FUNCTION tickets.search(wanted tsquery, required text[], alternatives text[], most integer)
RETURNS TABLE (ticket_id text, rank real)
LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 100 SET search_path = pg_catalog, pg_temp SET enable_seqscan = off AS $$
DECLARE
    tenant CONSTANT text := current_setting('app.tenant', true);
    asked tsquery := wanted;
    either tsquery;
    mark text;
BEGIN
    IF numnode(wanted) = 0 THEN
        RETURN;
    END IF;
    FOREACH mark IN ARRAY alternatives LOOP
        either := coalesce(either || tickets.as_word(mark), tickets.as_word(mark));
    END LOOP;
    asked := coalesce(asked && either, asked, either);
    FOREACH mark IN ARRAY required || ('tenant:' || tenant) LOOP
        asked := coalesce(asked && tickets.as_word(mark), tickets.as_word(mark));
    END LOOP;
    RETURN QUERY EXECUTE $sql$
        SELECT t.id, coalesce(ts_rank('{0.1, 0.2, 0.4, 1.0}', t.words, $2, 1), 0) FROM tickets.tickets AS t
        WHERE t.words @@ $1 AND t.tenant_id IS NOT DISTINCT FROM $3
        LIMIT $4
    $sql$ USING asked, wanted, tenant, most;
END $$
"""

FUNCTIONS = (
    AS_WORD,
    "REVOKE ALL ON FUNCTION tickets.as_word FROM PUBLIC",
    "GRANT EXECUTE ON FUNCTION tickets.as_word TO suite_search",
    SEARCH,
    "REVOKE ALL ON FUNCTION tickets.search FROM PUBLIC",
    "GRANT CREATE ON SCHEMA tickets TO suite_search",
    "ALTER FUNCTION tickets.search OWNER TO suite_search",
    "REVOKE CREATE ON SCHEMA tickets FROM suite_search",
    "GRANT EXECUTE ON FUNCTION tickets.search TO suite_app",
)


def upgrade() -> None:
    for statement in (*TABLES, *INDEXES, *ROW_SECURITY, *GRANTS, *FUNCTIONS):
        run_script(statement)


def downgrade() -> None:
    op.execute("DROP FUNCTION tickets.search, tickets.as_word")
    for table in ("changes", "history", "comments", "tickets", "queues"):
        op.execute(f"DROP TABLE tickets.{table}")
