"""Free ports for servers that are killed and started again in a test."""

import random
import socket

HOST = "127.0.0.1"

# Below those that the system gives to outgoing connections (32768 and up): a client that tries to reach a server which
# is down could be given the server's own port, and keep it from coming back. A cluster node of Redis takes the port
# 10,000 higher as well.
_PORTS = range(10_000, 22_000)


def free_port() -> int:
    """Choose a port of 127.0.0.1 that nothing listens on, at random: another process may still take it before you."""
    while True:
        port = random.choice(_PORTS)
        with socket.socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                sock.bind((HOST, port))
            except OSError:
                continue
            return port
