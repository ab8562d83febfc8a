"""Tools for tests of plugins: real servers, Redis and databases on real ports, and a proxy that breaks connections.

Read `unit` (contexts for handlers), `server` (a server in the test's event loop), `process` and `nodes` (in processes),
`redis` with `redis_cluster` and `redis_sentinel`, `database_process` with `postgres_server` and `mariadb_server`,
`proxy`, and `fixtures` (for pytest). `ports` and `child` help these. Import the names in `__all__` from here, and give
`pytest_plugins` the name `msanic_core.testing.fixtures`; the other files are private. No other room imports this one.
"""

from msanic_core.testing.database_process import DatabaseProcess
from msanic_core.testing.mariadb_server import MariadbProcess, mariadb_process
from msanic_core.testing.nodes import Nodes, serve_nodes
from msanic_core.testing.postgres_server import PostgresProcess, postgres_process
from msanic_core.testing.process import ServerProcess, install_plugin, serve_process
from msanic_core.testing.proxy import Proxy, tcp_proxy
from msanic_core.testing.redis import RedisProcess, redis_process
from msanic_core.testing.redis_cluster import ClusterSetup, cluster_setup
from msanic_core.testing.redis_sentinel import SentinelSetup, sentinel_setup
from msanic_core.testing.server import TestServer, serving
from msanic_core.testing.unit import UnitServer

__all__ = [
    "ClusterSetup",
    "DatabaseProcess",
    "MariadbProcess",
    "Nodes",
    "PostgresProcess",
    "Proxy",
    "RedisProcess",
    "SentinelSetup",
    "ServerProcess",
    "TestServer",
    "UnitServer",
    "cluster_setup",
    "install_plugin",
    "mariadb_process",
    "postgres_process",
    "redis_process",
    "sentinel_setup",
    "serve_nodes",
    "serve_process",
    "serving",
    "tcp_proxy",
]
