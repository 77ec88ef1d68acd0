"""Texts of feeds and pages: summaries, dates, descriptions, changes."""
