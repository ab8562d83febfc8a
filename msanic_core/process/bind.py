"""The socket that the server listens on, one for all of its workers."""

import socket


def bind(host: str, port: int, backlog: int) -> socket.socket:
    """A listening TCP socket; port 0 takes a free one."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.create_server((host, port), family=family, backlog=backlog)
    sock.setblocking(False)
    # Accepted sockets have it from here. Without it a client that answers what it gets (an acknowledgement, say) and a
    # kernel that waits with its own ACK hold each other up for 40 ms; nobody else sets it, since what is accepted here
    # does not say that it is TCP.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock
