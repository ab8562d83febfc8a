"""Phone numbers."""

import subprocess
import sys

import msgspec
import pytest

from msanic_core import constraints
from msanic_core.constraints import Phone
from msanic_core.wire import Codecs
from tests.support.constraints import problem_with


class German(Phone):
    region = "DE"


def decoded(type_: type, value: str) -> object:
    return Codecs().json.data_decoder(type_)(msgspec.Raw(msgspec.json.encode(value)))


@pytest.mark.parametrize("value", ["+4930901820", "+49 30 901820", "+49 (30) 90-18 20"])
def test_numbers_have_one_form(value: str) -> None:
    assert decoded(Phone, value) == "+4930901820"


def test_a_region_is_for_numbers_without_their_countrys_code() -> None:
    assert decoded(German, "030 901820") == "+4930901820"
    assert decoded(German, "+8613812345678") == "+8613812345678"
    assert problem_with(Phone, "030 901820") == "data: expected a phone number such as +4930901820"


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("", "data: expected a phone number such as +4930901820"),
        ("tea", "data: expected a phone number such as +4930901820"),
        ("+" + "1" * 10_000, "data: expected a phone number such as +4930901820"),
        ("+8610000", "data: no such phone number can exist"),
        (4930901820, "data: expected str, got int"),
    ],
)
def test_what_is_no_number(value: object, problem: str) -> None:
    assert problem_with(Phone, value) == problem


def test_without_the_library_the_import_says_what_to_do() -> None:
    program = (
        "import sys; sys.modules['phonenumbers'] = None\n"
        "from msanic_core.constraints import Password\n"
        "from msanic_core.constraints import Phone\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    last = ended.stderr.splitlines()[-1]
    assert last == "ImportError: Phone needs the library phonenumbers: pip install 'msanic-core[phone]'"


def test_there_are_no_other_late_names() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Fone'"):
        constraints.__getattr__("Fone")
