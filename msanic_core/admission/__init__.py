"""Opens sessions: from an HTTP request to a session that is registered and welcomed.

Read `admission.py` first: it has the whole way. Then `limits.py` (numbers of connections), `login.py` (the plugins'
`authenticate`), `registration.py` (registry, engine, inbox, `ws_online`) and `welcome.py`. Only `node` imports from
this room.
"""
