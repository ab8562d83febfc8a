from datetime import UTC, date, datetime, timedelta, timezone
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msanic_core.db.split.naming import PERIODS, Calendar, Keys, Period, check_template, moment, table_of
from msanic_core.errors import SplitError

zones = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
moments = st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 31), timezones=zones)
periods = st.sampled_from(PERIODS)


@pytest.mark.parametrize(
    ("by", "name"), [("year", "2026"), ("month", "2026_11"), ("week", "2026_w48"), ("day", "2026_11_24")]
)
def test_names(by: Period, name: str) -> None:
    calendar = Calendar(by)
    assert calendar.part_of(datetime(2026, 11, 24, 18, tzinfo=UTC)) == name
    assert calendar.part_of(date(2026, 11, 24)) == name
    assert calendar.is_part(name)


def test_weeks_belong_to_the_year_of_their_thursday() -> None:
    weeks = Calendar("week")
    assert weeks.part_of(date(2027, 1, 3)) == weeks.part_of(date(2026, 12, 28)) == "2026_w53"
    assert weeks.part_of(date(2024, 12, 30)) == "2025_w01"
    assert weeks.names_between(date(2026, 12, 21), date(2027, 1, 12)) == [
        "2026_w52",
        "2026_w53",
        "2027_w01",
        "2027_w02",
    ]


def test_zones_are_turned_into_utc() -> None:
    east = timezone(timedelta(hours=9))
    assert Calendar("day").part_of(datetime(2026, 3, 1, 8, tzinfo=east)) == "2026_02_28"
    assert Calendar("day").part_of(datetime(2028, 3, 1, 8, tzinfo=east)) == "2028_02_29"


@pytest.mark.parametrize(
    ("by", "name"),
    [
        ("year", "26"), ("year", "2026x"), ("month", "2026_13"), ("month", "2026_1"), ("week", "2025_w53"),
        ("week", "2026_53"), ("day", "2026_02_29"), ("day", "2026_2_01"), ("year", "٢٠٢٦"), ("year", "0000"),
    ],
)  # fmt: skip
def test_what_is_no_name(by: Period, name: str) -> None:
    assert not Calendar(by).is_part(name)


@given(periods, moments)
def test_a_part_holds_what_belongs_to_it(by: Period, value: datetime) -> None:
    calendar = Calendar(by)
    name = calendar.part_of(value)
    start, end = calendar.bounds(name)
    assert end is not None
    assert start <= value < end
    assert calendar.is_part(name)
    assert calendar.part_of(start) == calendar.part_of(end - timedelta(microseconds=1)) == name
    assert calendar.part_of(end) > name, "names sort as times do"


@given(periods, moments, moments)
def test_ids_of_parts_are_apart(by: Period, one: datetime, other: datetime) -> None:
    calendar = Calendar(by)
    names = sorted({calendar.part_of(one), calendar.part_of(other)})
    firsts = [calendar.first_id(name) for name in names]
    assert all(later - earlier >= 2**32 for earlier, later in pairwise(firsts))
    assert all(0 < first < 2**63 for first in firsts)


@given(periods, moments, st.timedeltas(timedelta(0), timedelta(days=800)), moments)
def test_a_range_has_the_parts_that_it_meets(by: Period, start: datetime, length: timedelta, other: datetime) -> None:
    calendar, end = Calendar(by), start + length
    names = calendar.names_between(start, end)
    assert names is not None
    assert names == sorted(names)
    assert bool(names) is (length > timedelta(0))
    if names:
        assert names[0] == calendar.part_of(start)
        assert names[-1] == calendar.part_of(end - timedelta(microseconds=1))
        bounds = [calendar.bounds(name) for name in names]
        assert all(earlier[1] == later[0] for earlier, later in pairwise(bounds)), "none is left out"
    for name in {*names[1:-1]}:
        assert calendar.lies_within(name, start, end)
    name = calendar.part_of(other)
    assert calendar.meets(name, start, end) is (name in names)
    if start <= moment(other) < end:
        assert name in names


def test_open_ranges_and_long_ones_have_no_list() -> None:
    assert Calendar("day").names_between(None, date(2026, 1, 1)) is None
    assert Calendar("day").names_between(date(1026, 1, 1), date(2026, 1, 1)) is None
    assert Calendar("year").meets("2026", None, None)
    assert not Calendar("year").lies_within("2026", None, date(2026, 6, 1))
    assert Calendar("year").lies_within("2026", date(2026, 1, 1), None)


@pytest.mark.parametrize("by", PERIODS)
def test_the_last_part_of_the_calendar_is_open(by: Period) -> None:
    calendar = Calendar(by)
    assert calendar.bounds(calendar.part_of(date.max))[1] is None
    assert calendar.names_between(date(9999, 12, 30), date.max)


@pytest.mark.parametrize("key", ["eu", "2026", "north_west", "a1_b2_c3"])
def test_keys(key: str) -> None:
    assert Keys().part_of(key) == key
    assert Keys().is_part(key)


@given(st.text(max_size=5).filter(lambda text: not Keys().is_part(text)))
@pytest.mark.parametrize("wrong", ["", "EU", "a__b", "_a", "a_", "a-b", "é", "a'b", "a\n", "x__detached", None, 7])
def test_what_is_no_key(wrong: object, text: str) -> None:
    for value in (wrong, text):
        with pytest.raises(SplitError, match="no key of a part"):
            Keys().part_of(value)


def test_a_value_that_is_no_time() -> None:
    with pytest.raises(SplitError, match="no date or datetime"):
        Calendar("day").part_of("2026-01-01")


def test_templates() -> None:
    check_template("t" * 44, 7)
    with pytest.raises(SplitError, match="1 bytes shorter"):
        check_template("t" * 45, 7)
    with pytest.raises(SplitError, match="two underscores"):
        check_template("iot__reading", 7)
    assert table_of("iot_reading", "2026_11") == "iot_reading__2026_11"
