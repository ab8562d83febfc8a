"""The processes of a server: `run.py` is one that serves, `supervisor.py` keeps several of them running.

`worker.py` is the worker's side of the two, `worker_process.py` the supervisor's; `bind.py` makes the listening socket.
Of the rest of the core only `config` is imported here, so that a supervisor stays small. `cli` says what is served.
"""
