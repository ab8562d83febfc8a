"""One message on its way: from a session to the plugin's handler, and its reply into the session's outbox.

Read `dispatcher.py` first: it holds the whole way. `runner.py` starts a handler's coroutine at once, `carrier.py` is
the task that it gets if it waits, `stepping.py` drives it. `core_commands.py` has the core's own commands: `sys.ping`,
`sys.ack` and `sys.resume`. Only `node` imports from this room: `Dispatcher`, `Runner` and `core_commands`.
"""
