"""The processes of a server: `run.py` is one that serves, `supervisor.py` the one that keeps several of them running.

`worker.py` is a worker's side of the two, `worker_process.py` the supervisor's. Only `cli` imports from this room.
"""
