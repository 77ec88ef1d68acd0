"""What a race is and what the rules say: no I/O, no clock."""
