"""What each edition of an event takes over from the one before: changes, removals, fields."""
