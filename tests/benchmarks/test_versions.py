from benchmarks.versions import versions
from tests.support.programs import environments


def test_the_report_says_whether_the_core_that_is_measured_is_compiled() -> None:
    assert "message path pure Python" in versions(environments())["core"]
