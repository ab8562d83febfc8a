"""Free ports for servers that a test kills and restarts."""

import random
import socket

HOST = "127.0.0.1"

# Below the ports that the system uses for outgoing connections (32768 and up). Otherwise a client that connects to a
# stopped server could get the server's own port, and the server could not start again. A Redis cluster node also uses
# its port plus 10,000.
_PORTS = range(10_000, 22_000)


def free_port() -> int:
    """Choose a random port of 127.0.0.1 that nothing listens on. Another process may still take it before you."""
    while True:
        port = random.choice(_PORTS)
        with socket.socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                sock.bind((HOST, port))
            except OSError:
                continue
            return port
