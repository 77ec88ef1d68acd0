"""Calendars and channels for events published on Intervals."""

__version__ = "0.1.0"
