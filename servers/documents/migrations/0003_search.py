"""The search, which may walk its indexes only under a role of its own."""

from alembic import op

from shared.state.migrate import run_script

revision = "0003"
down_revision = "0002"

# The pairs of the words of phrases. Where a dictionary knows several forms of a word, a document need not have all of
# them: then nothing is asked.
PAIRS_OF = """
CREATE FUNCTION documents.pairs_of(phrases text[]) RETURNS integer[]
LANGUAGE sql STABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(array_agg(DISTINCT pair), '{}')
    FROM unnest(phrases) AS phrase, LATERAL (SELECT to_tsvector('documents.words', phrase) AS words) AS v,
        unnest(documents.pairs(v.words)) AS pair
    WHERE (SELECT count(*) = count(DISTINCT place) FROM unnest(v.words) AS w, unnest(w.positions) AS place)
$$
"""

# Full-text operators are not leakproof: under row-level security PostgreSQL would read every row before it used one.
# So this runs as a role that sees all rows, and asks for the tenant and the rights itself: in `required`, which the
# index answers (each document's words hold its tenant and what may be filtered by), and again on each row.
#
# Common words are in more documents than can be ranked in time. Ranked are, `most` at most: those with `words` in their
# title, and those found in one of the `ways`, of which the next is tried while few were found. The rank is of each word
# by itself, since words that stand close together say less of what a page is about than a word in its title.
#
# `phrases` are words that stand together in all that is wanted. An index of words knows documents with all of them, and
# each of these would have to be read; that of pairs leaves few.
#
# The planner is kept from two mistakes: from reading the table in the hope that enough is found soon, which fails where
# another tenant's documents come first, and from asking a second index for the tenant (no index answers IS NOT DISTINCT
# FROM), since it cannot know that the words it asks for say the tenant, too.
SEARCH = """
CREATE FUNCTION documents.search(
    words tsquery, required tsquery, since timestamptz, until timestamptz, most integer,
    ways tsquery[] DEFAULT NULL, phrases text[] DEFAULT '{}'
)
RETURNS TABLE (document_id text, rank real)
LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 100 SET search_path = pg_catalog, pg_temp SET enable_seqscan = off AS $$
DECLARE
    tenant CONSTANT text := current_setting('app.tenant', true);
    rights CONSTANT text[] := nullif(current_setting('app.rights', true), '')::text[];
    each_word CONSTANT tsquery := replace(words::text, '&', '|')::tsquery;
    together CONSTANT integer[] := documents.pairs_of(phrases);
    -- what the title has, the words have, but for what must be absent from both
    only_titles CONSTANT boolean := strpos(words::text, '!') = 0;
    way tsquery;
    others text[];
    found text[] := '{}';
BEGIN
    IF numnode(words) = 0 OR numnode(required) = 0 THEN
        RETURN;  -- nothing but very common words
    END IF;
    EXECUTE replace($sql$
        SELECT array_agg(titled.id) FROM (
            SELECT d.id FROM documents.documents AS d
            WHERE d.title_words @@ $1 AND ($8 OR d.words @@ $1) AND d.pairs @> $2
                AND d.tenant_id IS NOT DISTINCT FROM $3 AND d.archived_at IS NULL
                AND ARRAY['class:' || d.classification] <@ $4 AND d.readers && $4
                AND d.updated_at >= $5 AND d.updated_at < $6
            LIMIT $7
        ) AS titled
    $sql$, CASE WHEN together = '{}' THEN 'AND d.pairs @> $2' ELSE '' END, '')
    INTO found USING words && required, together, tenant, rights, since, until,
        CASE WHEN cardinality(ways) > 1 THEN most / 2 ELSE most END, only_titles;
    found := coalesce(found, '{}');
    FOREACH way IN ARRAY coalesce(ways, ARRAY[words]) LOOP
        EXIT WHEN cardinality(others) >= most / 10 OR cardinality(found) >= most;
        EXECUTE replace($sql$
            SELECT array_agg(worded.id) FROM (
                SELECT d.id FROM documents.documents AS d
                WHERE d.words @@ $1 AND d.pairs @> $2
                    AND d.tenant_id IS NOT DISTINCT FROM $3 AND d.archived_at IS NULL
                    AND ARRAY['class:' || d.classification] <@ $4 AND d.readers && $4
                    AND d.updated_at >= $5 AND d.updated_at < $6
                LIMIT $7
            ) AS worded
        $sql$, CASE WHEN together = '{}' THEN 'AND d.pairs @> $2' ELSE '' END, '')
        INTO others USING way && required, together, tenant, rights, since, until, most - cardinality(found);
        found := found || coalesce(others, '{}');
    END LOOP;
    RETURN QUERY EXECUTE $sql$
        SELECT d.id, ts_rank('{0.05, 0.1, 0.4, 1.0}', d.words, $3, 1) FROM documents.documents AS d
        WHERE d.tenant_id = $1 AND d.id = ANY ($2)
    $sql$ USING tenant, found, each_word;
END $$
"""

# Ways to find documents with most of the words: all but one, all but two, to half of them. Of all documents that have
# any, only so many can be ranked, and those might be any. The index asks the whole query of each document with one of
# the rarer words, and it grows fast with their number: of many the six longest count, which tend to be the rarer ones.
# How rare they are is not asked: that would tell of documents one may not read.
MOST_OF = """
CREATE FUNCTION documents.most_of(clauses text[], absent text) RETURNS tsquery[]
LANGUAGE plpgsql STABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    asked CONSTANT tsquery[] := ARRAY(
        SELECT each FROM unnest(clauses) AS clause, to_tsquery('documents.words', clause) AS each
        WHERE numnode(each) > 0 GROUP BY each ORDER BY length(each::text) DESC, each::text LIMIT 6
    );
    half CONSTANT integer := greatest(2, (cardinality(asked) + 1) / 2);
    those tsquery[] := '{}';  -- documents with one, two, three … of the words so far
    more tsquery;
BEGIN
    FOR number IN 1..cardinality(asked) LOOP
        FOR size IN REVERSE number..1 LOOP
            more := CASE size WHEN 1 THEN asked[number] ELSE those[size - 1] && asked[number] END;
            those[size] := coalesce(those[size] || more, more);
        END LOOP;
    END LOOP;
    RETURN ARRAY(
        SELECT those[size] && to_tsquery('documents.words', absent)
        FROM generate_series(half, cardinality(asked) - 1) AS size ORDER BY size DESC
    );
END $$
"""

FUNCTIONS = (
    PAIRS_OF,
    "REVOKE ALL ON FUNCTION documents.pairs_of FROM PUBLIC",
    "GRANT EXECUTE ON FUNCTION documents.pairs, documents.pairs_of TO suite_search",
    MOST_OF,
    "REVOKE ALL ON FUNCTION documents.most_of FROM PUBLIC",
    "GRANT EXECUTE ON FUNCTION documents.most_of TO suite_app",
    SEARCH,
    "REVOKE ALL ON FUNCTION documents.search FROM PUBLIC",
    "GRANT CREATE ON SCHEMA documents TO suite_search",
    "ALTER FUNCTION documents.search OWNER TO suite_search",
    "REVOKE CREATE ON SCHEMA documents FROM suite_search",
    "GRANT EXECUTE ON FUNCTION documents.search TO suite_app",
)


def upgrade() -> None:
    for statement in FUNCTIONS:
        run_script(statement)


def downgrade() -> None:
    op.execute("DROP FUNCTION documents.search, documents.most_of, documents.pairs_of")
