"""The processes of a server: one that serves, or a supervisor with several workers that serve.

Read `run.py` (one process that serves) and `bind.py` (its listening socket), then `supervisor.py`, `worker_process.py`
(a worker, seen from the supervisor) and `worker.py` (the supervisor, seen from a worker). Only `config` is imported
here, so that a supervisor stays small: `cli` passes in what is served. `cli` imports `run`, `supervise`, `Worker` and
`STOP_MARGIN`, and `testing` imports `bind`.
"""
