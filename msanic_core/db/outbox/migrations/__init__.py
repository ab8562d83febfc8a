"""The migrations of the core's own tables."""
