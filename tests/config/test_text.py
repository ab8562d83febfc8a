from typing import Any

import pytest

from msanic_core.config.text import masked, nearest


@pytest.mark.parametrize(
    ("key", "value", "shown"),
    [
        ("db.url", "sqlite://msanic.db", "sqlite://msanic.db"),
        ("db.url", "postgres://user:hush@host:5432/db", "postgres://user:***@host:5432/db"),
        ("db.url", "postgres://user:hu@sh/x?y@host/db", "postgres://user:***@host/db"),
        ("db.url", "postgres://host/db?password=hush&a=1", "postgres://host/db?password=***&a=1"),
        ("redis.url", "redis://:hush@host/0", "redis://:***@host/0"),
        ("redis.url", "redis://host:6379/0", "redis://host:6379/0"),
        ("", "ws://h/ws?user=ann&access_TOKEN=hush", "ws://h/ws?user=ann&access_TOKEN=***"),
        ("ws.origins", ["https://u:hush@h"], ["https://u:***@h"]),
        ("ws.path", "/token", "/token"),
        ("plugins.jwt.secret", "hush", "***"),
        ("plugins.jwt.SECRETS", ["hush"], "***"),
        ("plugins.jwt.old_password", "hush", "***"),
        ("plugins.jwt.api-key", 5, "***"),
        ("plugins.jwt.tokens.first", "hush", "***"),
        ("plugins.jwt.dsn", "https://u:hush@h", "https://u:***@h"),
        ("plugins.jwt.issuers", [{"name": "a", "key": "hush"}], [{"name": "a", "key": "***"}]),
        ("plugins.token-login.realm", "shown", "shown"),
        ("plugins.load", ["token-login"], ["token-login"]),
    ],
)
def test_secrets_are_masked_and_nothing_else(key: str, value: Any, shown: Any) -> None:
    assert masked(key, value) == shown


def test_nearest_looks_at_the_whole_key_and_at_its_end() -> None:
    known = ["server.port", "ws.path", "ws.max_message", "http.max_body"]
    assert nearest("ws.prot", known) == "server.port"
    assert nearest("ws.pth", known) == "ws.path"
    assert nearest("max_message", known) == "ws.max_message"
