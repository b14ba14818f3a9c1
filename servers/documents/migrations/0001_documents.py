"""Documents, their versions, sections and links, behind row-level security by tenant and by the caller's rights."""

from alembic import op

from shared.state.migrate import run_script

revision = "0001"
down_revision = None

# COLLATE "C" compares bytes: fast, the same everywhere, and leakproof, so that an index on it serves under row-level
# security. A row says which tenant it belongs to by itself; no statement has to, and none can say otherwise.
TENANT_ID = """text COLLATE "C" NOT NULL DEFAULT current_setting('app.tenant', true) CHECK (tenant_id <> '')"""

# Words that stand side by side, each pair as one of 65,536 numbers: a phrase is looked for among the few documents that
# have its pairs, not among all that have its words somewhere.
PAIRS = """
CREATE FUNCTION documents.pairs(words tsvector) RETURNS integer[]
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    WITH placed AS MATERIALIZED (SELECT w.lexeme, unnest(w.positions) AS place FROM unnest(words) AS w)
    SELECT coalesce(array_agg(DISTINCT ('x' || left(md5(a.lexeme || ' ' || b.lexeme), 4))::bit(16)::integer), '{}')
    FROM placed AS a JOIN placed AS b ON b.place = a.place + 1
$$
"""

TABLES = (
    # A configuration of our own, so that a company can have another language's words without a change here:
    # ALTER TEXT SEARCH CONFIGURATION documents.words …, before the first document (docs/documents.md).
    "CREATE TEXT SEARCH CONFIGURATION documents.words (COPY = pg_catalog.english)",
    PAIRS,
    f"""
    CREATE TABLE documents.documents (
        tenant_id {TENANT_ID},
        id text COLLATE "C" NOT NULL,
        collection text COLLATE "C" NOT NULL CHECK (collection ~ '^[a-z0-9][a-z0-9-]*$'),
        path text COLLATE "C" NOT NULL CHECK (path <> '' AND path !~ '(^|/)(\\.{{0,2}})(/|$)'),
        stem text COLLATE "C" NOT NULL,
        title text NOT NULL,
        summary text NOT NULL,
        media_type text NOT NULL,
        size bigint NOT NULL,
        digest text NOT NULL,
        labels text[] NOT NULL DEFAULT '{{}}',
        classification text NOT NULL
            CHECK (classification IN ('public', 'internal', 'confidential', 'restricted')),
        readers text[] NOT NULL DEFAULT '{{tenant}}' CHECK (readers <> '{{}}'),
        version integer NOT NULL DEFAULT 1,
        archived_at timestamptz,
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now(),
        updated_by text NOT NULL,
        words tsvector,
        title_words tsvector,
        pairs integer[] GENERATED ALWAYS AS (documents.pairs(words)) STORED,
        PRIMARY KEY (tenant_id, id),
        CONSTRAINT restricted_names_readers CHECK (classification <> 'restricted' OR NOT readers @> '{{tenant}}')
    )
    """,
    # Neither gets smaller by compressing, and trying takes as long as making them.
    "ALTER TABLE documents.documents ALTER words SET STORAGE EXTERNAL, ALTER pairs SET STORAGE EXTERNAL",
    # The bytes are kept as they are, outside of the row and not compressed again: a range of them is read alone.
    # `text` is safe to show (disarming.py), and `found` names what was not; `outline` has
    # [level, heading, anchor, start, stop] of each section.
    f"""
    CREATE TABLE documents.versions (
        tenant_id {TENANT_ID},
        document_id text COLLATE "C" NOT NULL,
        version integer NOT NULL,
        title text NOT NULL,
        summary text NOT NULL,
        media_type text NOT NULL,
        size bigint NOT NULL,
        digest text NOT NULL,
        labels text[] NOT NULL,
        classification text NOT NULL,
        readers text[] NOT NULL,
        content bytea NOT NULL,
        text text,
        characters integer,
        outline jsonb NOT NULL,
        found text[] NOT NULL,
        written_at timestamptz NOT NULL DEFAULT now(),
        written_by text NOT NULL,
        PRIMARY KEY (tenant_id, document_id, version),
        FOREIGN KEY (tenant_id, document_id) REFERENCES documents.documents (tenant_id, id) ON DELETE CASCADE
    )
    """,
    "ALTER TABLE documents.versions ALTER COLUMN content SET STORAGE EXTERNAL",
    f"""
    CREATE TABLE documents.sections (
        tenant_id {TENANT_ID},
        document_id text COLLATE "C" NOT NULL,
        number integer NOT NULL,
        level integer NOT NULL,
        heading text NOT NULL,
        anchor text COLLATE "C" NOT NULL,
        start integer NOT NULL,
        stop integer NOT NULL,
        plain text NOT NULL,
        words tsvector NOT NULL,
        PRIMARY KEY (tenant_id, document_id, number),
        FOREIGN KEY (tenant_id, document_id) REFERENCES documents.documents (tenant_id, id) ON DELETE CASCADE
    )
    """,
    f"""
    CREATE TABLE documents.links (
        tenant_id {TENANT_ID},
        document_id text COLLATE "C" NOT NULL,
        number integer NOT NULL,
        collection text COLLATE "C" NOT NULL,
        stem text COLLATE "C" NOT NULL,
        PRIMARY KEY (tenant_id, document_id, number),
        FOREIGN KEY (tenant_id, document_id) REFERENCES documents.documents (tenant_id, id) ON DELETE CASCADE
    )
    """,
)

INDEXES = (
    "CREATE UNIQUE INDEX by_path ON documents.documents (tenant_id, collection, path) WHERE archived_at IS NULL",
    "CREATE INDEX by_stem ON documents.documents (tenant_id, collection, stem) WHERE archived_at IS NULL",
    "CREATE INDEX by_time ON documents.documents (tenant_id, updated_at, id) WHERE archived_at IS NULL",
    # Counting a collection reads this alone, with what row-level security asks of each document.
    """
    CREATE INDEX by_collection ON documents.documents (tenant_id, collection)
        INCLUDE (classification, readers, updated_at) WHERE archived_at IS NULL
    """,
    "CREATE INDEX archived ON documents.documents (tenant_id, collection, path) WHERE archived_at IS NOT NULL",
    "CREATE INDEX by_words ON documents.documents USING gin (words, pairs)",
    "CREATE INDEX by_title ON documents.documents USING gin (title_words)",
    "CREATE INDEX backlinks ON documents.links (tenant_id, collection, stem)",
)

# As subqueries the settings are asked once a statement, and unknown to the planner, which then estimates for an
# average tenant. A setting that was never made is null, one that was made in an earlier transaction is empty.
TENANT = "(SELECT current_setting('app.tenant', true))"
RIGHTS = "(SELECT nullif(current_setting('app.rights', true), '')::text[])"
# The planner expects one comparison of arrays in a hundred to hold where it does not know the values, and would rather
# sort every row than follow an index whose rows are nearly all refused. Of `coalesce` it expects one in two.
CLEARED = f"coalesce(ARRAY['class:' || classification] <@ {RIGHTS}, false)"
READER = f"coalesce(readers && {RIGHTS}, false)"

ROW_SECURITY = (
    *(
        f"ALTER TABLE documents.{table} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY"
        for table in ("documents", "versions", "sections", "links")
    ),
    f"""
    CREATE POLICY readers ON documents.documents
        USING (tenant_id = {TENANT} AND {CLEARED} AND {READER})
    """,
    # An earlier version may have been more secret than the document is now, or for fewer. OFFSET 0, here and below: the
    # document is looked up for each row; where there are many, the planner would rather read all documents there are.
    f"""
    CREATE POLICY readers ON documents.versions
        USING (tenant_id = {TENANT} AND {CLEARED} AND {READER} AND EXISTS (
            SELECT FROM documents.documents AS d WHERE d.tenant_id = versions.tenant_id AND d.id = document_id OFFSET 0
        ))
    """,
    *(
        f"""
        CREATE POLICY readers ON documents.{table}
            USING (tenant_id = {TENANT} AND EXISTS (
                SELECT FROM documents.documents AS d
                WHERE d.tenant_id = {table}.tenant_id AND d.id = document_id OFFSET 0
            ))
        """
        for table in ("sections", "links")
    ),
    "CREATE POLICY search ON documents.documents FOR SELECT TO suite_search USING (true)",
)

GRANTS = (
    "GRANT USAGE ON SCHEMA documents TO suite_app, suite_search",
    "GRANT SELECT, INSERT, UPDATE ON documents.documents TO suite_app",
    "GRANT SELECT, INSERT ON documents.versions TO suite_app",
    "GRANT SELECT, INSERT, DELETE ON documents.sections, documents.links TO suite_app",
    "GRANT SELECT ON documents.documents TO suite_search",
)

# A version keeps the readers that its document has when it is written: whoever writes it cannot forget them.
VERSION_READERS = (
    """
    CREATE FUNCTION documents.keep_readers() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
    BEGIN
        SELECT d.readers INTO NEW.readers FROM documents.documents AS d
        WHERE d.tenant_id = NEW.tenant_id AND d.id = NEW.document_id;
        RETURN NEW;
    END $$
    """,
    "REVOKE ALL ON FUNCTION documents.keep_readers FROM PUBLIC",
    """
    CREATE TRIGGER keep_readers BEFORE INSERT ON documents.versions
        FOR EACH ROW EXECUTE FUNCTION documents.keep_readers()
    """,
)

# What is below one folder, a step of the index for each entry, however much is below each of them. It sees what its
# caller sees. Without sorts, since a planner that has not heard of a collection yet takes it for tiny, and would read
# and sort all of it at each step. ROWS: what joins this to documents looks up these, rather than all there are.
CHILDREN = """
CREATE FUNCTION documents.children(within text, folder text, begun text, after text, most integer)
RETURNS TABLE (name text, is_folder boolean, is_secret boolean, document_id text)
LANGUAGE plpgsql STABLE ROWS 50 SET search_path = pg_catalog, pg_temp SET enable_sort = off AS $$
DECLARE
    prefix CONSTANT text COLLATE "C" := folder || begun;
    beyond CONSTANT text COLLATE "C" := prefix || U&'\\+10FFFF';
    position text COLLATE "C" := greatest(prefix COLLATE "C", after COLLATE "C");
    inclusive boolean := after < prefix COLLATE "C";
    entry record;
    rest text;
BEGIN
    FOR turn IN 1..most LOOP
        SELECT d.id, d.path, d.classification IN ('confidential', 'restricted') AS is_secret INTO entry
        FROM documents.documents AS d
        WHERE d.tenant_id = current_setting('app.tenant', true) AND d.collection = within AND d.archived_at IS NULL
            AND d.path >= position AND (inclusive OR d.path > position) AND d.path < beyond
        ORDER BY d.path LIMIT 1;
        EXIT WHEN NOT FOUND;
        rest := substr(entry.path, length(folder) + 1);
        is_folder := strpos(rest, '/') > 0;
        name := folder || CASE WHEN is_folder THEN split_part(rest, '/', 1) || '/' ELSE rest END;
        document_id := CASE WHEN NOT is_folder THEN entry.id END;
        -- A folder's name is secret if all that is in it is; of a large one, what comes first stands for all.
        is_secret := entry.is_secret AND NOT (is_folder AND EXISTS (
            SELECT FROM (
                SELECT d.classification AS it FROM documents.documents AS d
                WHERE d.tenant_id = current_setting('app.tenant', true) AND d.collection = within
                    AND d.archived_at IS NULL AND d.path >= entry.path AND d.path < name || U&'\\+10FFFF' COLLATE "C"
                ORDER BY d.path LIMIT 200
            ) AS early WHERE early.it IN ('public', 'internal')
        ));
        RETURN NEXT;
        -- '0' is the character after '/': past everything in the folder
        position := CASE WHEN is_folder THEN rtrim(name, '/') || '0' ELSE name END;
        inclusive := is_folder;
    END LOOP;
END $$
"""

FUNCTIONS = (
    "REVOKE ALL ON FUNCTION documents.pairs FROM PUBLIC",
    "GRANT EXECUTE ON FUNCTION documents.pairs TO suite_app",  # where it writes a document
    CHILDREN,
    "REVOKE ALL ON FUNCTION documents.children FROM PUBLIC",
    "GRANT EXECUTE ON FUNCTION documents.children TO suite_app",
)


def upgrade() -> None:
    for statement in (*TABLES, *INDEXES, *ROW_SECURITY, *VERSION_READERS, *GRANTS, *FUNCTIONS):
        run_script(statement)


def downgrade() -> None:
    op.execute("DROP FUNCTION documents.children")
    for table in ("links", "sections", "versions", "documents"):
        op.execute(f"DROP TABLE documents.{table}")
    op.execute("DROP FUNCTION documents.keep_readers, documents.pairs")
    op.execute("DROP TEXT SEARCH CONFIGURATION documents.words")
