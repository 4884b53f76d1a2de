"""Stagers: what gives a night its stages, whoever trained it, and what is to be known of it."""
