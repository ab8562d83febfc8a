"""Pushes that are part of a transaction, and are delivered once it has committed."""
