"""Statements of reports: `summaries` writes the tables of summaries, `reading` reads them."""
