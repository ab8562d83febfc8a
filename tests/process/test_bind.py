import socket

import pytest

from msanic_core.process.bind import bind


def test_bind() -> None:
    binds("127.0.0.1")


def test_bind_ipv6(ipv6_loopback: str) -> None:
    binds(ipv6_loopback)


def binds(host: str) -> None:
    with bind(host, 0, backlog=5) as sock:
        assert sock.getsockname()[0] == host
        assert sock.getsockname()[1] > 0
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        assert not sock.getblocking()
        with pytest.raises(OSError, match="in use"):
            bind(host, sock.getsockname()[1], backlog=5)


def test_what_is_accepted_sends_at_once() -> None:
    with bind("127.0.0.1", 0, backlog=5) as sock, socket.create_connection(sock.getsockname()):
        sock.setblocking(True)
        accepted, _ = sock.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
