"""The current edition of an event, refreshed once for everybody."""
