"""Names, colours and passwords."""

from typing import Any

import msgspec
import pytest

from msanic_core.constraints import Colour, Identifier, Name, Password, Text
from msanic_core.wire.types import decode_custom
from tests.support.constraints import problem_with


@pytest.mark.parametrize("value", ["a", "A_1", "a" * 64])
def test_identifiers(value: str) -> None:
    assert problem_with(Identifier, value) == ""


@pytest.mark.parametrize("value", ["", "1a", "_a", "a-b", "a b", "a\n", "ä", "a:b"])
def test_what_is_no_identifier(value: str) -> None:
    assert problem_with(Identifier, value) == "data: expected letters, digits and _, a letter first"


def test_an_identifier_is_bounded() -> None:
    assert problem_with(Identifier, "a" * 65) == "data: expected str of length <= 64"


@pytest.mark.parametrize("value", ["#abc", "#ABCD", "#1e90ff", "#1E90FF80"])
def test_colours(value: str) -> None:
    assert problem_with(Colour, value) == ""


@pytest.mark.parametrize("value", ["", "red", "#", "#ab", "#abcde", "#1e90f", "#1e90ff8", "#ggg", "#abc\n", "x#abc"])
def test_what_is_no_colour(value: str) -> None:
    assert problem_with(Colour, value) == "data: expected a colour such as #1e90ff"


@pytest.mark.parametrize(
    "value", ["hunter22", "pass word", "Grün-blau", "a" * 127 + "1", "ABCDefgh", "日本語のパスワード1"]
)
def test_passwords(value: str) -> None:
    assert problem_with(Password, value) == ""


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("hunter2", "data: must have 8 to 128 characters"),
        ("a1" * 65, "data: must have 8 to 128 characters"),
        ("aaaaaaaa", "data: must mix at least 2 of: digits, upper case letters, lower case letters, other characters"),
        ("12345678", "data: must mix at least 2 of: digits, upper case letters, lower case letters, other characters"),
        ("hunter\n22", "data: must not hold control characters"),
        (12345678, "data: expected str, got int"),
        (None, "data: expected str, got null"),
        (["hunter22"], "data: expected str, got list"),
    ],
)
def test_weak_passwords_and_none_at_all(value: Any, problem: str) -> None:
    assert problem_with(Password, value) == problem


def test_no_problem_tells_the_password() -> None:
    for value in ("hunter2", "hunterhunter", "hunter\n2hunter", "hunter2" * 40):
        problem = problem_with(Password, value)
        assert problem
        assert "hunter" not in problem


def test_a_password_of_ones_own() -> None:
    class Pin(Password):
        shortest = 4
        longest = 6
        kinds = 1

    assert problem_with(Pin, "1234") == ""
    assert problem_with(Pin, "1234567") == "data: must have 4 to 6 characters"


def test_a_checked_text_is_a_plain_str() -> None:
    (value,) = msgspec.json.decode(b'["hunter22"]', type=tuple[Password], dec_hook=decode_custom)
    assert type(value) is str
    assert msgspec.json.encode(value) == b'"hunter22"'


def test_texts() -> None:
    assert problem_with(Text, "a\tb\n\u2028\U0001f33f\n") == ""
    assert problem_with(Text, "") == ""
    assert problem_with(Text, "a\n\0") == "data: expected a text without NUL characters"
    assert problem_with(Text, "\0\n") == "data: expected a text without NUL characters"


@pytest.mark.parametrize("value", ["ada", "Ada Lovelace ", "\u00e9" * 127])
def test_names(value: str) -> None:
    assert problem_with(Name, value) == ""


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("", "data: the name must not be empty"),
        ("a\nb", "data: the name 'a\\nb' holds a control character or a line break"),
        (1, "data: expected str, got int"),
    ],
)
def test_what_is_no_name(value: object, problem: str) -> None:
    assert problem_with(Name, value) == problem
