"""Engines know where users are, keep what waits for them, and deliver messages to the nodes.

Read `base.py`, the protocol of every engine and what an engine asks of its node; then `memory/`, the engine of a single
process; then `redis/`, the engine of several processes. Both engines use `local_locks.py`.
Other rooms import the types of `base.py`. Only `node` and tests import an engine.
"""
