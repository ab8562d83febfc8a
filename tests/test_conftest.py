"""The services that tests get are real."""

import redis


def test_redis_answers_and_is_empty(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        assert client.ping()
        assert client.dbsize() == 0
        client.set("key", "value")
        assert client.get("key") == b"value"
