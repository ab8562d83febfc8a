"""For tests of plugins: a server within the test, on a real port."""

from msanic_core.testing.server import TestServer, serving

__all__ = ["TestServer", "serving"]
