"""The engine of a single process: users, groups and inboxes are in its memory and end with it.

Read `memory_engine.py`, then `memory_inbox.py`. `node` imports `MemoryEngine`.
"""
