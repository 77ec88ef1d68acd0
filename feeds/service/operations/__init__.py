"""What operators run and ask for: the refresher, the warm-up, readiness, the status."""
