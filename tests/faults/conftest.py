import pytest

from tests.faults.told import Told


@pytest.fixture
def told() -> Told:
    return Told()
