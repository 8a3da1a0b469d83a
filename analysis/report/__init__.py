"""The page, its Markdown, tables and figures; `python -m analysis.report`."""
