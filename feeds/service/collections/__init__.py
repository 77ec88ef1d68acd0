"""Collections: the catalog of the upstream, and feeds made of the editions of its events."""
