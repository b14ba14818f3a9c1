UNAUDITED = """
SELECT count(*) FROM suite.ledger l WHERE answer IS NOT NULL AND NOT (
    EXISTS (SELECT FROM suite.audit i WHERE i.kind = 'intent' AND i.id = l.intent) AND
    EXISTS (SELECT FROM suite.audit o WHERE o.intent = l.intent AND o.outcome IN ('ok', 'unaudited')
            AND o.kind IN ('outcome', 'recovered')))
"""
"""Effects without their two records. `unaudited` is the outcome of one whose caller was told of a failure because the
audit store went away after the effect; the record came from the spool when it was back."""
