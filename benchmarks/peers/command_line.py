"""The command line that all Python servers here have: `python SERVER.py --port N`."""

import argparse

HOST = "127.0.0.1"
BACKLOG = 2048


def arguments(*more: str) -> argparse.Namespace:
    """Read `--port`, and those of `more`, all of them numbers and required."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    for name in ("--port", *more):
        parser.add_argument(name, type=int, required=True)
    return parser.parse_args()
