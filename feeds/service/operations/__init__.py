"""What operators ask of the service: whether it is ready, and how it is doing."""
