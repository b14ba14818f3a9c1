"""Drafts, templates, senders, suppressions, rules about domains, bulks: every row behind forced row-level security."""

from alembic import op

from shared.state.migrate import run_script

revision = "0001"
down_revision = None

# As in the tables of tickets: COLLATE "C" compares bytes, and is leakproof; the tenant is filled in by the database.
TENANT_ID = """text COLLATE "C" NOT NULL DEFAULT current_setting('app.tenant', true) CHECK (tenant_id <> '')"""

TABLES = (
    # Who mail may come from. `domains`: if any, it writes to these only. `unsubscribe_url` has {token} in it.
    f"""
    CREATE TABLE mail.senders (
        tenant_id {TENANT_ID},
        name text COLLATE "C" NOT NULL,
        address text COLLATE "C" NOT NULL,
        display_name text NOT NULL,
        reply_to text,
        domains text[] NOT NULL DEFAULT '{{}}',
        unsubscribe_url text CHECK (unsubscribe_url LIKE 'https://%'),
        version integer NOT NULL DEFAULT 1 CHECK (version > 0),
        created_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (tenant_id, name)
    )
    """,
    f"""
    CREATE TABLE mail.templates (
        tenant_id {TENANT_ID},
        name text COLLATE "C" NOT NULL,
        version integer NOT NULL DEFAULT 1 CHECK (version > 0),
        title text NOT NULL,
        description text NOT NULL,
        subject text NOT NULL,
        text text NOT NULL,
        html text,
        variables jsonb NOT NULL,
        created_by text NOT NULL,
        updated_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (tenant_id, name)
    )
    """,
    # Addresses are kept in lower case.
    f"""
    CREATE TABLE mail.suppressions (
        tenant_id {TENANT_ID},
        address text COLLATE "C" NOT NULL CHECK (address = lower(address)),
        reason text COLLATE "C" NOT NULL CHECK (reason IN ('bounced', 'unsubscribed', 'complained')),
        mail_id text COLLATE "C",
        created_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (tenant_id, address)
    )
    """,
    # A rule holds for the domain and what is below it.
    f"""
    CREATE TABLE mail.domain_rules (
        tenant_id {TENANT_ID},
        domain text COLLATE "C" NOT NULL CHECK (domain = lower(domain)),
        verdict text COLLATE "C" NOT NULL CHECK (verdict IN ('own', 'allowed', 'denied')),
        created_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (tenant_id, domain)
    )
    """,
    f"""
    CREATE TABLE mail.drafts (
        tenant_id {TENANT_ID},
        id text COLLATE "C" NOT NULL,
        version integer NOT NULL DEFAULT 1 CHECK (version > 0),
        sender text COLLATE "C" NOT NULL,
        "to" text[] NOT NULL,
        cc text[] NOT NULL,
        bcc text[] NOT NULL,
        subject text,
        text text,
        html text,
        template text COLLATE "C",
        variables jsonb NOT NULL,
        attachments text[] NOT NULL,
        mail_id text COLLATE "C",
        created_by text NOT NULL,
        by_actor text,
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (tenant_id, id)
    )
    """,
    # A bulk as it was asked for: the sender and the template as they were then, and each recipient resolved.
    f"""
    CREATE TABLE mail.bulks (
        tenant_id {TENANT_ID},
        job_id text COLLATE "C" NOT NULL,
        sender jsonb NOT NULL,
        template jsonb NOT NULL,
        requester jsonb NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (tenant_id, job_id)
    )
    """,
    f"""
    CREATE TABLE mail.bulk_recipients (
        tenant_id {TENANT_ID},
        job_id text COLLATE "C" NOT NULL,
        place integer NOT NULL,
        mail_id text COLLATE "C" NOT NULL,
        address text NOT NULL,
        customer_id text COLLATE "C",
        name text,
        variables jsonb NOT NULL,
        PRIMARY KEY (tenant_id, job_id, place),
        FOREIGN KEY (tenant_id, job_id) REFERENCES mail.bulks (tenant_id, job_id) ON DELETE CASCADE
    )
    """,
)

TENANT = "(SELECT current_setting('app.tenant', true))"
NAMES = ("senders", "templates", "suppressions", "domain_rules", "drafts", "bulks", "bulk_recipients")
ROW_SECURITY = (
    *(f"ALTER TABLE mail.{table} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY" for table in NAMES),
    *(f"CREATE POLICY tenant ON mail.{table} USING (tenant_id = {TENANT})" for table in NAMES),
)

GRANTS = (
    "GRANT USAGE ON SCHEMA mail TO suite_app",
    "GRANT SELECT ON mail.senders, mail.domain_rules TO suite_app",
    "GRANT SELECT, INSERT, UPDATE ON mail.templates, mail.drafts TO suite_app",
    "GRANT SELECT, INSERT ON mail.suppressions, mail.bulks, mail.bulk_recipients TO suite_app",
)


def upgrade() -> None:
    for statement in (*TABLES, *ROW_SECURITY, *GRANTS):
        run_script(statement)


def downgrade() -> None:
    for table in reversed(NAMES):
        op.execute(f"DROP TABLE mail.{table}")
