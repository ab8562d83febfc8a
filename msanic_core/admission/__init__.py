"""Who gets in: from an HTTP request to a session that is registered, welcomed and read from.

Read `admission.py` first: it holds the whole way. `login.py` asks the plugins who is connecting. Only `node` imports
from this room.
"""
