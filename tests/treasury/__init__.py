"""A server that pays: small sums at once, larger ones with the payer's own yes, large ones when others approve."""
