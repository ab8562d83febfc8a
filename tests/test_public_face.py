"""What can be imported from the top, and is shown there."""

import subprocess
import sys
from importlib.metadata import version

import pytest

import msanic_core


@pytest.mark.parametrize("name", msanic_core.__all__)
def test_a_public_name_can_be_imported_and_is_shown(name: str) -> None:
    assert getattr(msanic_core, name) is not None
    assert name in dir(msanic_core)


def test_the_names_are_those_of_the_parts() -> None:
    from msanic_core.errors import StoreUnavailableError
    from msanic_core.wire import WireEncodeError

    assert msanic_core.StoreUnavailableError is StoreUnavailableError
    assert msanic_core.WireEncodeError is WireEncodeError
    assert msanic_core.__version__ == version("msanic-core")


def test_a_name_that_is_not_there() -> None:
    with pytest.raises(AttributeError, match="module 'msanic_core' has no attribute 'Nowhere'"):
        _ = msanic_core.Nowhere


def test_importing_the_package_imports_no_server() -> None:
    source = "import sys, msanic_core; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)
    assert not {"sanic", "tortoise", "redis", "msgspec", "pluggy"} & set(run.stdout.split())
