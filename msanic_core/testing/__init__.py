"""For tests of plugins: a server within the test or in a process of its own, on a real port."""

from msanic_core.testing.process import ServerProcess, install_plugin, serve_process
from msanic_core.testing.server import TestServer, serving

__all__ = ["ServerProcess", "TestServer", "install_plugin", "serve_process", "serving"]
