"""The values that tell the server who connects, and what of them may be logged."""

import asyncio

import pytest

from msanic_core.client.credentials import Credentials, CredentialsError, Provider, check_url, shown


def url(credentials: Credentials, base: str = "ws://host/ws") -> str:
    return asyncio.run(credentials.url(base))


def test_names_and_parameters_go_into_the_query() -> None:
    credentials = Credentials("ada & bob", "phone", {"token": "a=b"}, {})
    assert url(credentials) == "ws://host/ws?user=ada+%26+bob&client=phone&token=a%3Db"


def test_the_query_of_the_address_stays() -> None:
    assert url(Credentials("ada", "", {}, {}), "ws://host/ws?room=tea") == "ws://host/ws?room=tea&user=ada"
    assert url(Credentials(None, "", {}, {}), "ws://host/ws?room=tea") == "ws://host/ws?room=tea"


async def later() -> dict[str, str]:
    await asyncio.sleep(0)
    return {"token": "fresh"}


@pytest.mark.parametrize("given", [{"token": "fresh"}, lambda: {"token": "fresh"}, later])
def test_values_may_be_a_function(given: Provider) -> None:
    credentials = Credentials(None, "", given, given)
    assert url(credentials) == "ws://host/ws?token=fresh"
    assert asyncio.run(credentials.headers()) == {"token": "fresh"}


def test_each_attempt_asks_again() -> None:
    tokens = iter("ab")
    credentials = Credentials(None, "", lambda: {"token": next(tokens)}, {})
    assert [url(credentials), url(credentials)] == ["ws://host/ws?token=a", "ws://host/ws?token=b"]


def test_a_function_that_raises_gives_nothing_away() -> None:
    def ask() -> dict[str, str]:
        raise RuntimeError("no token for s3cret")

    with pytest.raises(CredentialsError, match=r"^the function given as headers raised RuntimeError$"):
        asyncio.run(Credentials(None, "", {}, ask).headers())


@pytest.mark.parametrize("good", ["ws://127.0.0.1:8800/ws", "wss://host", "ws://[::1]:1/ws?a=b"])
def test_addresses(good: str) -> None:
    assert check_url(good) == good


@pytest.mark.parametrize(
    "bad", ["http://host/?token=s3cret", "ws:///ws?token=s3cret", "host", "ws://[::1?token=s3cret"]
)
def test_what_is_no_address(bad: str) -> None:
    with pytest.raises(ValueError, match="is no address such as") as raised:
        check_url(bad)
    assert "s3cret" not in str(raised.value)


def test_shown_without_secrets() -> None:
    assert shown("ws://ada:s3cret@host:1/ws?token=s3cret#x") == "ws://host:1/ws"
