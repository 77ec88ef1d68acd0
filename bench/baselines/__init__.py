"""What the service is compared with: applications without its caches, and libraries alone."""
