"""The Intervals partner API: HTTP, documents, and the organization of the key."""
