from typing import Any

import msgspec
import pytest

from msanic_core.identity import Identity, check_name


@pytest.mark.parametrize("name", ["a", "ann@example.org", "room:1 *{x}", "日本", "é" * 127, "x" * 255, "👩‍👩‍👧"])
def test_names_that_are_allowed(name: str) -> None:
    assert check_name("group", name) == name


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (7, "must be a str, not int: convert it with str(...)"),
        (None, "must be a str, not NoneType"),
        (b"ann", "must be a str, not bytes"),
        ("", "must not be empty"),
        ("x" * 256, "has 256 bytes as UTF-8: at most 255 are allowed"),
        ("é" * 128, "has 256 bytes as UTF-8: at most 255 are allowed"),
        ("a\nb", r"'a\nb' holds a control character or a line break"),
        ("a\x00", "holds a control character"),
        ("a\x7f", "holds a control character"),
        ("a\x85b", "holds a control character"),
        ("a\u2028b", "holds a control character or a line break"),
        ("\ud800", "holds half of a surrogate pair"),
    ],
)
def test_names_that_are_not(value: object, why: str) -> None:
    with pytest.raises(ValueError, match=r"^group ") as caught:
        check_name("group", value)
    assert why in str(caught.value)


def test_the_text_stays_short_however_long_the_name() -> None:
    with pytest.raises(ValueError, match="1000000 bytes") as caught:
        check_name("group", "x" * 1_000_000)
    assert len(str(caught.value)) < 200


def test_an_identity_has_defaults_of_its_own() -> None:
    one, other = Identity("ann"), Identity("ben")
    one.claims["role"] = "admin"
    assert other == Identity("ben", {}, None)


@pytest.mark.parametrize("user", ["", "a\nb", 42])
def test_an_identity_needs_a_valid_user_id(user: Any) -> None:
    with pytest.raises(ValueError, match="user id"):
        Identity(user)


def test_an_identity_that_is_decoded_is_checked_too() -> None:
    assert msgspec.convert({"user": "ann", "expires_at": 5.0}, Identity) == Identity("ann", {}, 5.0)
    with pytest.raises(msgspec.ValidationError, match="user id must not be empty"):
        msgspec.convert({"user": ""}, Identity)


def test_a_login_expires_at_a_time_or_never() -> None:
    assert Identity("ada", expires_at=1.5).expires_at == 1.5
    assert Identity("ada", expires_at=2).expires_at == 2
    with pytest.raises(ValueError, match="expires_at must be a number of seconds, not str"):
        Identity("ada", expires_at="2026-01-01")  # type: ignore[arg-type]
