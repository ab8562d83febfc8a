import pytest


@pytest.fixture(autouse=True)
def direct(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy between the tests and their servers, whatever the environment says."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
