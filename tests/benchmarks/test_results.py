import dataclasses

import pytest

from benchmarks import startup
from benchmarks.results import GOALS, Failure, Figure, Goal, Results, Sample, Spread
from benchmarks.scenarios import FULL, QUICK, VARIANTS, measurements, subject_of
from benchmarks.targets import TARGETS
from tests.support.programs import environments

OURS = Figure("m", "core", "rate")
THEIRS = Figure("m", "peer", "rate")


def results_of(**rates: dict[int, float]) -> Results:
    """Rates by round of some subjects."""
    samples = [Sample("m", name, number, {"rate": rate}) for name in rates for number, rate in rates[name].items()]
    return Results({}, {"m": "Title"}, {name: name for name in rates}, samples)


def test_ratios_are_those_of_the_rounds() -> None:
    results = results_of(core={1: 100, 2: 300, 3: 20}, peer={1: 50, 2: 100, 3: 20})
    assert results.ratio(OURS, THEIRS) == Spread(2, 1, 3)
    assert results.ratio(THEIRS, OURS) == Spread(0.5, 1 / 3, 1)


def test_the_ratio_is_not_that_of_the_medians() -> None:
    results = results_of(core={1: 10, 2: 20, 3: 90}, peer={1: 10, 2: 5, 3: 30})
    # The medians are 20 and 10.
    assert results.ratio(OURS, THEIRS) == Spread(3, 1, 4)


@pytest.mark.parametrize("peer", [{}, {2: 5.0}, {1: 0.0}])
def test_rounds_that_one_of_them_has_not_do_not_count(peer: dict[int, float]) -> None:
    assert results_of(core={1: 10}, peer=peer).ratio(OURS, THEIRS) is None
    assert results_of(core={1: 10, 3: 8}, peer={**peer, 3: 2}).ratio(OURS, THEIRS) == Spread(4, 4, 4)


def test_spread() -> None:
    assert results_of(core={1: 5, 2: 1, 3: 2, 4: 9}).spread(OURS) == Spread(3.5, 1, 9)
    assert results_of(core={1: 5}).spread(Figure("m", "core", "p99_us")) is None
    assert results_of(core={1: 5}).spread(Figure("other", "core", "rate")) is None


@pytest.mark.parametrize(
    ("goal", "median", "met"),
    [
        (Goal(OURS, 2, THEIRS), 2.0, True),
        (Goal(OURS, 2, THEIRS), 1.9, False),
        (Goal(OURS, 2, at_least=False), 2.0, True),
        (Goal(OURS, 2, at_least=False), 2.1, False),
    ],
)
def test_the_median_decides_about_a_goal(goal: Goal, median: float, met: bool) -> None:
    assert goal.is_met(Spread(median, 0, 99)) is met


def test_a_goal_is_about_a_ratio_or_about_a_figure_by_itself() -> None:
    results = results_of(core={1: 100}, peer={1: 50})
    assert Goal(OURS, 1, THEIRS).reached(results) == Spread(2, 2, 2)
    assert Goal(OURS, 1).reached(results) == Spread(100, 100, 100)


def test_everything_comes_back_from_the_file() -> None:
    results = Results(
        {"run": {"rounds": 2}, "machine": {"CPU": "é"}, "versions": {"core": ["Python 3"]}},
        {"m": "Title"},
        {"core": "Core"},
        [Sample("m", "core", number, {"rate": 1.5, "p50_us": 2.0}) for number in (1, 2)],
        [Failure("m", "peer", 1, "ended\n    with words")],
        {"bun": "not installed"},
    )
    text = results.to_json()
    assert Results.from_json(text) == results
    # A file that can be compared line by line.
    assert sum('"subject": "core"' in line for line in text.splitlines()) == 2
    assert Results.from_json(Results({}).to_json()) == Results({})


def test_goals_are_about_what_is_measured() -> None:
    subjects = {
        (measurement.name, subject_of(target.name, exchange))
        for measurement in measurements(FULL)
        for target in TARGETS
        for exchange in measurement.exchanges_of(target)
    }
    subjects |= {(startup.NAME, each.subject) for each in startup.starters(list(TARGETS), environments())}
    figures = [figure for goal in GOALS for figure in (goal.figure, goal.to) if figure]
    assert not [figure for figure in figures if (figure.measurement, figure.subject) not in subjects]
    assert len(set(GOALS)) == len(GOALS)


def test_the_goals() -> None:
    bounds = {(goal.figure.measurement, goal.to.subject): goal.bound for goal in GOALS if goal.to}
    assert bounds["command-50x1", "sanic"] == 3.5
    assert bounds["command-20x16", "picows"] == 1.9
    assert bounds["broadcast-many-bursts", "sanic"] == 6
    others = {target.name for target in TARGETS if "command" in target.exchanges} - {"core", "core-redis", "bun"}
    assert {peer for measurement, peer in bounds if measurement == "command-50x1"} - {"core"} == others


def test_the_goals_on_redis() -> None:
    bounds = {
        (goal.figure.measurement, goal.figure.value, goal.to.subject): (goal.bound, goal.at_least)
        for goal in GOALS
        if goal.to and goal.figure.subject in {"core-redis", "core-nodes"}
    }
    assert bounds == {
        ("command-50x1", "rate", "core"): (0.97, True),
        ("command-20x16", "rate", "core"): (0.97, True),
        ("push-nodes", "rate", "redis-py"): (0.5, True),
        ("push-nodes", "p99_us", "redis-py"): (3, False),
        ("connect", "rate", "sanic"): (0.6, True),
    }


def test_quick_measures_the_same_things() -> None:
    assert [each.name for each in measurements(QUICK)] == [each.name for each in measurements(FULL)]
    assert all(vars(QUICK)[field.name] <= vars(FULL)[field.name] for field in dataclasses.fields(FULL))
    assert set(VARIANTS) <= {key for target in TARGETS for key in target.exchanges}
