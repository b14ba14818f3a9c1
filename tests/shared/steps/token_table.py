"""THE TABLE of tokens, whole."""

from tests.shared.steps import claim_rows, token_rows

TABLE = [
    *token_rows.SENT,
    *token_rows.SIGNED,
    *token_rows.LABELLED,
    *claim_rows.AUDIENCES,
    *claim_rows.TIMES,
    *claim_rows.ISSUERS,
    *claim_rows.CLAIMS,
    *claim_rows.TRUST,
    *claim_rows.SHAPES,
    *claim_rows.OPAQUE_TOKENS,
]
BY_NAME = {row.name: row for row in TABLE}
