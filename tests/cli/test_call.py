import io
import json
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http import HTTPStatus
from typing import Any

import pytest
from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection, serve

from msanic_core.cli import call, main
from msanic_core.config import settings_from

Server = Callable[[Callable[[ServerConnection], None]], str]


@contextmanager
def running(handler: Callable[[ServerConnection], None], **options: Any) -> Iterator[int]:
    """A server on a free port: its port."""
    with serve(handler, "127.0.0.1", 0, **options) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.socket.getsockname()[1]
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def start() -> Iterator[Callable[..., str]]:
    with ExitStack() as stack:

        def start_(handler: Callable[[ServerConnection], None], **options: Any) -> str:
            return str(stack.enter_context(running(handler, **options)))

        yield start_


def echo(connection: ServerConnection) -> None:
    """Reply with the client's headers and its request."""
    request = json.loads(connection.recv())
    assert connection.request is not None
    seen = {
        "request": request,
        "path": connection.request.path,
        "subprotocol": connection.subprotocol,
        "headers": dict(connection.request.headers.raw_items()),
    }
    connection.send(json.dumps({"cmd": request["cmd"], "data": seen, "code": 0, "req": request["req"], "hint": ""}))


def replying(**reply: Any) -> Callable[[ServerConnection], None]:
    def handler(connection: ServerConnection) -> None:
        connection.recv()
        connection.send(json.dumps(reply))

    return handler


def out(capsys: pytest.CaptureFixture[str]) -> Any:
    captured = capsys.readouterr()
    assert captured.err == ""
    assert captured.out.count("\n") == 1
    return json.loads(captured.out)


def problem(capsys: pytest.CaptureFixture[str]) -> str:
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    return captured.err.removeprefix("msanic-core: error: ").rstrip()


def test_request_and_reply(start: Callable[..., str], capsys: pytest.CaptureFixture[str]) -> None:
    port = start(echo, subprotocols=["msanic.v1.json"])
    assert main(["call", "chat.say", '{"text": "é"}', "--port", port, "--header", "X-Test: a: é"]) == 0
    reply = out(capsys)
    assert reply["data"]["request"] == {"cmd": "chat.say", "data": {"text": "é"}, "req": "1"}
    assert reply["data"]["path"] == "/ws"
    assert reply["data"]["subprotocol"] == "msanic.v1.json"
    assert reply["data"]["headers"]["X-Test"] == "a: é"
    assert "Sec-WebSocket-Extensions" not in reply["data"]["headers"]


def test_digits_are_a_number_and_data_is_null(start: Callable[..., str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["call", "2001", "--port", start(echo)]) == 0
    assert out(capsys)["data"]["request"] == {"cmd": 2001, "data": None, "req": "1"}


def test_data_from_stdin(
    start: Callable[..., str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("[1]\n"))
    assert main(["call", "x.y", "-", "--port", start(echo)]) == 0
    assert out(capsys)["data"]["request"]["data"] == [1]


@pytest.mark.parametrize(
    ("argv", "path"),
    [
        (["--user", "ann & bob"], "/ws?user=ann+%26+bob"),
        (["--set", "ws.path=/other", "--user", "ann"], "/other?user=ann"),
    ],
)
def test_address_of_the_settings(
    start: Callable[..., str], capsys: pytest.CaptureFixture[str], argv: list[str], path: str
) -> None:
    assert main(["call", "x.y", "--port", start(echo), "--host", "0.0.0.0", *argv]) == 0
    assert out(capsys)["data"]["path"] == path


def test_url_goes_before_settings_even_wrong_ones(
    start: Callable[..., str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MSANIC_NONSENSE", "1")
    url = f"ws://127.0.0.1:{start(echo)}/w?token=a%26b"
    assert main(["call", "x.y", "--url", url, "--user", "ann"]) == 0
    assert out(capsys)["data"]["path"] == "/w?token=a%26b&user=ann"


def test_a_proxy_of_the_environment_is_not_used_for_our_own_server(
    start: Callable[..., str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    assert main(["call", "x.y", "--port", start(echo)]) == 0
    assert out(capsys)["code"] == 0


@pytest.mark.parametrize(
    ("settings", "url"),
    [
        ({}, "ws://127.0.0.1:8800/ws"),
        ({"host": "0.0.0.0"}, "ws://127.0.0.1:8800/ws"),
        ({"host": "::"}, "ws://[::1]:8800/ws"),
        ({"host": "fe80::1", "port": 5}, "ws://[fe80::1]:5/ws"),
        ({"host": "chat.example"}, "ws://chat.example:8800/ws"),
    ],
)
def test_address_a_client_can_reach(settings: dict[str, Any], url: str) -> None:
    assert call.server_url(settings_from({"server": settings})) == url


def test_other_messages_are_ignored(start: Callable[..., str], capsys: pytest.CaptureFixture[str]) -> None:
    def handler(connection: ServerConnection) -> None:
        connection.recv()
        for message in (
            '{"cmd": "sys.welcome", "data": null, "code": 0}',
            '{"cmd": "x.y", "code": 0, "req": "2"}',
            '{"cmd": "x.y", "code": 0, "req": 1}',
            "[1]",
            "no json",
            b'{"cmd": "x.y", "code": 0, "req": "1"}',
            '{"cmd": "x.y", "data": "ours", "code": 0, "req": "1"}',
        ):
            connection.send(message)

    assert main(["call", "x.y", "--port", start(handler)]) == 0
    assert out(capsys)["data"] == "ours"


@pytest.mark.parametrize(
    ("code", "exit_code"), [(0, 0), (11, 11), (125, 125), (126, 125), (4000, 125), (-1, 1), ("x", 1), (None, 1)]
)
def test_exit_code_is_the_code_of_the_reply(
    start: Callable[..., str], capsys: pytest.CaptureFixture[str], code: Any, exit_code: int
) -> None:
    assert main(["call", "x.y", "--port", start(replying(cmd="x.y", code=code, req="1"))]) == exit_code
    assert out(capsys)["code"] == code


@pytest.mark.parametrize("cmd", [1002, "sys.reject"])
def test_a_reject_without_req_is_the_reply(
    start: Callable[..., str], capsys: pytest.CaptureFixture[str], cmd: int | str
) -> None:
    assert main(["call", "x.y", "--port", start(replying(cmd=cmd, code=12, hint="no"))]) == 12
    assert out(capsys)["hint"] == "no"


def test_nobody_listens(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert main(["call", "x.y", "--port", str(port)]) == 1
    assert problem(capsys) == (
        f"cannot connect to ws://127.0.0.1:{port}/ws: Connection refused; is the server running?"
    )


def test_closed_by_the_server(start: Callable[..., str], capsys: pytest.CaptureFixture[str]) -> None:
    port = start(lambda connection: connection.close(4501, "not authenticated"))
    assert main(["call", "x.y", "--port", port]) == 1
    assert problem(capsys) == f"ws://127.0.0.1:{port}/ws closed the connection before the reply: 4501 not authenticated"


def test_connection_lost(start: Callable[..., str], capsys: pytest.CaptureFixture[str]) -> None:
    def handler(connection: ServerConnection) -> None:
        connection.recv()
        connection.socket.shutdown(socket.SHUT_RDWR)

    port = start(handler)
    assert main(["call", "x.y", "--port", port]) == 1
    assert problem(capsys) == f"ws://127.0.0.1:{port}/ws: the connection was lost before the reply"


def test_no_websocket(start: Callable[..., str], capsys: pytest.CaptureFixture[str]) -> None:
    def refuse(connection: ServerConnection, request: Request) -> Response:
        return connection.respond(HTTPStatus.FORBIDDEN, "no")

    port = start(echo, process_request=refuse)
    assert main(["call", "x.y", "--port", port]) == 1
    assert problem(capsys) == f"ws://127.0.0.1:{port}/ws answered HTTP 403 and opened no WebSocket"


def test_no_http(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            peer, _ = listener.accept()
            with peer:
                peer.recv(65536)
                peer.sendall(b"nonsense\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        port = listener.getsockname()[1]
        assert main(["call", "x.y", "--port", str(port)]) == 1
        thread.join()
    assert problem(capsys).startswith(f"ws://127.0.0.1:{port}/ws opened no WebSocket: ")


def test_server_that_accepts_nothing_times_out(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert main(["call", "x.y", "--port", str(port), "--timeout", "0.2"]) == 1
    assert problem(capsys) == f"ws://127.0.0.1:{port}/ws gave no reply within 0.2 s (--timeout)"


def test_server_that_says_other_things_for_ever_times_out(
    start: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    def handler(connection: ServerConnection) -> None:
        while True:
            connection.send('{"cmd": "x.said", "code": 0}')

    assert main(["call", "x.y", "--port", start(handler), "--timeout", "0.3"]) == 1
    assert "gave no reply within 0.3 s" in problem(capsys)


@pytest.mark.parametrize(
    ("argv", "text"),
    [
        (["x.y", "text"], "DATA is not JSON"),
        (["x.y", "NaN"], "NaN is no JSON number"),
        (["x.y", "[" * 100_000], "DATA is not JSON"),
        (["x.y", "--url", "http://h/"], "--url http://h/: expected an address such as ws://"),
        (["x.y", "--url", "ws://[::1/"], "--url ws://[::1/: expected"),
        (["x.y", "--url", "ws://h:99999/?token=hush"], "--url ws://h:99999/?token=***: expected"),
        (["x.y", "--url", "ws://u@h/"], "--url ws://u@h/: expected"),
        (["x.y", "--url", "ws://é..x/"], "--url ws://é..x/: expected"),
        (["x.y", "--url", "ws://u:hush@/"], "--url ws://u:***@/: expected"),
        (["x.y", "--url", "http://h/?token=hush"], "--url http://h/?token=***: expected"),
        (["x.y", "--url", "ws://h/#x"], "--url ws://h/#x: expected"),
        (["x.y", "--port", "0"], "server.port is 0"),
        (["x.y", "--header", "X"], "expected 'NAME: VALUE'"),
        (["x.y", "--header", "X: a\r\nY: b"], "expected 'NAME: VALUE'"),
        (["x.y", "--timeout", "0"], "expected a number of seconds above 0"),
        (["x.y", "--timeout", "nan"], "expected a number of seconds above 0"),
        (["x.y", "--timeout", "x"], "expected a number of seconds above 0"),
        ([], "CMD"),
    ],
)
def test_usage_errors(capsys: pytest.CaptureFixture[str], argv: list[str], text: str) -> None:
    assert main(["call", *argv]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert text in captured.err
    assert "hush" not in captured.err
