"""Figures of the report: charts, the text to read them by, and the tables that hold their numbers."""
