"""Page, styles and Markdown of the report, filled in by `analysis.report.page`."""
