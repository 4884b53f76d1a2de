"""Scoring of one's own nights: a file in, stages, statistics and a page out."""
