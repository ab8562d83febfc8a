import pytest


@pytest.fixture(autouse=True)
def direct(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ignore proxies of the environment: tests connect to their servers directly."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
