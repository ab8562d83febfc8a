"""One server process: `node.py` makes every part and hands it to those that need it, `lifecycle.py` starts and stops.

`banner.py` says what is served. The composition root: it imports from all rooms below, and only `cli` and `testing`
import from it.
"""
