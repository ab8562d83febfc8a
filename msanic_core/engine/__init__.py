"""Where users are, what waits for them, and how messages reach them.

`base.py` is the protocol that every engine keeps, and what an engine asks of its node. `memory/` is the engine of a
single process, `redis/` that of several. `local_locks.py` is for both. Other rooms import the types of `base`; `node`
chooses one of the two engines.
"""
