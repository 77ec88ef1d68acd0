"""What operators ask of the database: its state at a glance, backup and restore."""
