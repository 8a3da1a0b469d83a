"""A ledger in, one table out: one topic per file."""
