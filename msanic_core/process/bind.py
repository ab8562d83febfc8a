"""The socket that the server listens on, one for all of its workers."""

import socket


def bind(host: str, port: int, backlog: int) -> socket.socket:
    """Open a listening TCP socket, on a free port if `port` is 0. Raises `OSError` if the address cannot be used."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.create_server((host, port), family=family, backlog=backlog)
    sock.setblocking(False)
    # Accepted sockets inherit TCP_NODELAY. Without it, a client that answers each message (with an acknowledgement, for
    # example) and a kernel that delays its own ACK wait 40 ms for each other. Event loops set it only if a socket's
    # `proto` says TCP; here it is 0.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock
