"""One server process. This room is the composition root: it makes all parts of a node and connects them.

Read `node.py` (makes the parts), then `lifecycle.py` (`RunningNode`: start and stop) and `banner.py` (the text that is
shown at start). It imports from all rooms below. Only `cli` and `testing` import from it: `make_node`, `Node` and
`RunningNode`.
"""
