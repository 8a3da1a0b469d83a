"""Arrays in, numbers out: paired tests and intervals. No tables, no words."""
