"""WebSocket commands: how a plugin declares them, and the one map in which every message finds its handler.

Read `declaration.py` (`@command`), then `signature.py` (what a handler takes), `map.py` (built at start, used for each
message) and `clashes.py` (two plugins with one command). Other rooms import `AnyCommand` and `Command` from
`declaration`, `CommandMap` from `map`, and the functions of `signature`.
"""
