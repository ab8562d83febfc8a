"""WebSocket commands: how a plugin declares them, and the map from a command to its handler.

Read `declaration.py` (`@command`), then `signature.py` (the parameters of a handler), `map.py` (built at start, used
for each message) and `clashes.py` (two plugins with the same command). Other rooms import `AnyCommand`, `Command` and
`command` from `declaration`, `Bound` and `CommandMap` from `map`, and the functions of `clashes` and `signature`.
"""
