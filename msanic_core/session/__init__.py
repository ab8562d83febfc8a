"""One connection's life: its session, what it still has to send, and what happens when it is lost.

`README.md` has the states. Read `state.py` and `session.py` first, then `socket.py` (the interfaces to the connection),
`outbox.py` (unsent frames), `registry.py` (the sessions of this process), `membership.py` (their groups), `delivery.py`
(pushes from the engine), `replay.py` (the inbox), `heartbeat.py` and `offline.py`. Other rooms import each class from
its own file.
"""
