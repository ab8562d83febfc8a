import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import Requirement

from msanic_core.plugins.requirement import version_needed

RELEASES = st.lists(st.integers(0, 3), min_size=1, max_size=4).map(lambda numbers: ".".join(map(str, numbers)))
VERSIONS = st.one_of(RELEASES, st.builds("{}{}".format, RELEASES, st.sampled_from(["a1", "rc2", ".dev3", ".post1"])))
SPECIFIERS = st.lists(st.builds("{}{}".format, st.sampled_from([">=", "<", "!=", "~=1."]), VERSIONS), max_size=3)


@given(SPECIFIERS.map(",".join), VERSIONS)
def test_what_fits_is_what_packaging_says(specifier: str, running: str) -> None:
    expected = Requirement(f"msanic-core{specifier}").specifier
    needed = None if expected.contains(running, prereleases=True) else f"msanic-core{expected}"
    assert version_needed([f"msanic-core{specifier}"], running) == needed


@pytest.mark.parametrize("requirement", ["msanic-core>=2,,<3", "msanic-core>=٢", "msanic-core>=", "msanic-core-x>=2"])
def test_what_is_no_requirement_of_the_core_asks_nothing(requirement: str) -> None:
    assert version_needed([requirement], "0.1") is None


def test_the_first_that_does_not_fit_is_named() -> None:
    requirements = ["msgspec>=99", "msanic-core>=0.1", "msanic-core<0.5", "msanic-core>=2"]
    assert version_needed(requirements, "0.5.1") == "msanic-core<0.5"
