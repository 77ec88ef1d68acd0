"""What feeds and pages say, in words: summaries, dates, descriptions, changes."""
