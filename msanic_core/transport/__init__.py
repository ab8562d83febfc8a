"""The connections that carry sessions: HTTP connections, WebSockets, and the upgrade from one to the other.

All code that relies on non-public parts of Sanic and aiofastnet is in this room. Read `listener.py` (the HTTP server),
`http_connection.py` (Sanic's protocol with a limit for the head), `upgrade.py` (from HTTP to WebSocket), `websocket.py`
(the connection after the upgrade) and `intake.py` (the read buffer of all WebSockets). `admission` and `node` import
from here.
"""
