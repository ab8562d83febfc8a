"""The engine of a single process: users, groups and inboxes in this process's memory, gone with it.

Read `memory_engine.py`, then `memory_inbox.py`. `node` imports `MemoryEngine`.
"""
