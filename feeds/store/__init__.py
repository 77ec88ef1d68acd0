"""Storage in SQLite or PostgreSQL: editions, leases, the rate limit, the schema."""
