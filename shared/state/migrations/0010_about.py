"""What a record names is read where its writer put it, instead of looked for: the index costs a fraction to keep."""

from shared.state.migrate import run_script

revision = "0010"
down_revision = "0009"

# The ids of a body without `about` are looked for as before. So the index stays right for every record there is, and
# for those the release before still writes, and is not made anew. What follows `{"about":"` are ids with blanks between
# them; nothing in them is escaped, so the next quotation mark ends them.
NAMED = r"""
CREATE OR REPLACE FUNCTION suite.audit_named(tenant text, body bytea) RETURNS text[]
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE COST 10000 SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    told text;
BEGIN
    IF substr(body, 1, 10) <> '{"about":"'::bytea THEN
        RETURN (SELECT coalesce(array_agg(DISTINCT tenant || ' ' || hit[1]), '{}')
                FROM regexp_matches(convert_from(body, 'UTF8') COLLATE "C",
                                    '\m([A-Z][A-Z0-9_]{0,15}-[0-9A-Z]{1,26})\M', 'g') AS hit);
    END IF;
    told := convert_from(substr(body, 11, position('"'::bytea IN substr(body, 11)) - 1), 'UTF8');
    IF told = '' THEN
        RETURN '{}';
    ELSIF position(' ' IN told) = 0 THEN  -- most records name one thing, and this needs no query
        RETURN ARRAY[tenant || ' ' || told];
    END IF;
    RETURN ARRAY(SELECT tenant || ' ' || name FROM unnest(string_to_array(told, ' ')) AS name);
END
$$;
"""

# As before, but alone: the cost of `audit_named` makes PostgreSQL begin workers and compile, for a handful of records.
NAMING = """
CREATE OR REPLACE FUNCTION suite.audit_naming(named text, since timestamptz, until timestamptz)
RETURNS TABLE (chain uuid, seq bigint)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 100 SET search_path = pg_catalog, pg_temp
SET max_parallel_workers_per_gather = 0 SET jit = off AS $$
    WITH found AS MATERIALIZED (  -- by that index alone: the tenant has far more records than name one thing
        SELECT chain, seq, tenant, at FROM suite.audit
        WHERE tenant IS NOT NULL
          AND suite.audit_named(tenant, body) @> ARRAY[current_setting('app.tenant', true) || ' ' || named]
    )
    SELECT chain, seq FROM found WHERE tenant = current_setting('app.tenant', true) AND at >= since AND at < until
$$;
"""

BEFORE = r"""
ALTER FUNCTION suite.audit_naming(text, timestamptz, timestamptz)
    RESET max_parallel_workers_per_gather RESET jit;
CREATE OR REPLACE FUNCTION suite.audit_named(tenant text, body bytea) RETURNS text[]
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE COST 10000 SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(array_agg(DISTINCT tenant || ' ' || found[1]), '{}')
    FROM regexp_matches(convert_from(body, 'UTF8') COLLATE "C",
                        '\m([A-Z][A-Z0-9_]{0,15}-[0-9A-Z]{1,26})\M', 'g') AS found
$$;
"""


def upgrade() -> None:
    run_script(NAMED)
    run_script(NAMING)


def downgrade() -> None:
    run_script(BEFORE)
