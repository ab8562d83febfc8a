"""The engine of several processes and machines: everything they share is in Redis.

Read `README.md` first: it has the keys, channels and scripts, the life of a session, and the order of the files.
`redis_engine.py` puts the parts together. `node` imports `RedisEngine` and `RedisOptions` from it; nothing else is
imported from outside.
"""
