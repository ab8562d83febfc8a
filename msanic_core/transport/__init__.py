"""What carries a session: sockets, HTTP connections and the step from one to the other.

Everything that relies on parts of Sanic and aiofastnet that are not public is in this room. Read `http_connection.py`
(Sanic's protocol with limits of ours), then `websocket.py` (the connection after the upgrade) and `intake.py` (what all
sockets of an event loop read into); `listener.py` binds. `admission` and `node` import from here.
"""
