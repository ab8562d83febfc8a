from benchmarks.report import findings, report, table
from benchmarks.results import Failure, Results, Sample

CONTEXT = {"run": {"rounds": 2}, "machine": {"CPU": "fast one"}, "versions": {"peers": ["Python 3.11.2", "sanic 25"]}}


def results_of(*samples: Sample, **fields: object) -> Results:
    measurements = {"command-50x1": "Commands", "memory": "Memory", "crowd-few": "Few", "crowd-most": "Most"}
    subjects = {"core": "msanic-core", "sanic": "Sanic", "bun": "Bun"}
    return Results(CONTEXT, measurements, subjects, list(samples), **fields)  # type: ignore[arg-type]


def command(subject: str, *rates: float, others: float = 0.0) -> list[Sample]:
    return [
        Sample("command-50x1", subject, number, {"rate": rate, "p50_us": 10, "others": others})
        for number, rate in enumerate(rates, 1)
    ]


def cells(text: str) -> list[list[str]]:
    """The cells of a table, row by row, without heads and ruler."""
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()[2:]]


def test_table() -> None:
    assert table(["", "n"], [["a", "1"], ["long", "10,000"]]).splitlines() == [
        "|      |      n |",
        "| :--- | -----: |",
        "| a    |      1 |",
        "| long | 10,000 |",
    ]


def test_goals_met_missed_and_not_measured() -> None:
    results = results_of(
        *command("core", 400, 700), *command("sanic", 100, 200), Sample("memory", "core", 1, {"kib": 13})
    )
    heading, _, goals, *_ = findings(results)
    assert heading == "## Goals"
    assert cells(goals) == [
        ["Commands", "msanic-core", "Sanic", "≥ 3.5 x", "3.75 (3.50 - 4.00)", "met"],
        ["Memory", "msanic-core", "", "≤ 12 KiB", "13.00", "**missed**"],
        ["Most, server CPU each", "msanic-core", "Few", "≤ 1.2 x", "-", "not measured"],
    ]


def test_goals_about_what_the_run_was_not_to_measure_are_left_out() -> None:
    results = Results(CONTEXT, {"command-50x1": "Commands"}, {"core": "msanic-core"}, command("core", 1))
    assert "Goals" not in "".join(findings(results))


def test_a_table_of_a_measurement() -> None:
    *_, title, text = findings(results_of(*command("core", 1000, 3000), *command("sanic", 500, 500)))
    assert title == "## Commands"
    assert text.splitlines()[0].split("|")[1:-1] == [
        " " * 13,
        *(f" {head} " for head in ("           per second", "p50 µs", "msanic-core / this")),
    ]
    assert cells(text) == [
        ["msanic-core", "2,000 (1,000 - 3,000)", "10", ""],
        ["Sanic", "500", "10", "4.00 (2.00 - 6.00)"],
    ]


def test_peers_without_the_core_are_not_compared() -> None:
    *_, text = findings(results_of(*command("sanic", 500), *command("bun", 900)))
    assert cells(text) == [["Sanic", "500", "10"], ["Bun", "900", "10"]]


def test_a_noisy_machine_is_told() -> None:
    results = results_of(*command("core", 1, others=0.04), *command("sanic", 1, 1, others=0.06))
    assert "more than 5% of a core in 2 of 3 measurements" in "".join(findings(results))


def test_the_whole_report() -> None:
    failure = Failure("command-50x1", "sanic", 2, "load ended with 1\n    load: wrong answer")
    results = results_of(*command("core", 100), failures=[failure], missing={"bun": "not installed"})
    text = report(results)
    assert "| CPU    | fast one |" in text
    assert "| peers | Python 3.11.2, sanic 25 |" in text
    assert "Commands, Sanic, round 2:\n\n```\nload ended with 1\n    load: wrong answer\n```" in text
    assert "| Bun | not installed |" in text
    assert report(Results.from_json(results.to_json())) == text
