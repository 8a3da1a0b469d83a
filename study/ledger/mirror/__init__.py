"""The copy of a ledger at a URI."""
