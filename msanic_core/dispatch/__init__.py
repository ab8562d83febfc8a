"""The way of one message: from a session to the plugin's handler, and the reply into the session's outbox.

Read `dispatcher.py` first: it has the whole way. `runner.py` starts a handler's coroutine at once, `carrier.py` is the
task that drives the coroutine if it waits, `stepping.py` steps coroutines; `README.md` says why there is not one task
per message. `core_commands.py` has `sys.ping`, `sys.ack` and `sys.resume`. Only `node` imports from this room:
`Dispatcher`, `Runner` and `system_commands`.
"""
