"""Migrations of all plugins: what there is, in which order, one process at a time."""
