"""Figures: one module a family, each with a function ``draw`` from files to a matplotlib figure. No computing here."""
