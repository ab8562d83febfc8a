"""The engine of several processes and machines: what it knows lies in Redis."""
