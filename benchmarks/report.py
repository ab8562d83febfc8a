"""Writes what a run found as Markdown tables that can be read as they are."""

from collections.abc import Iterable, Sequence

from benchmarks.results import GOALS, Figure, Goal, Results, Spread
from benchmarks.scenarios import OURS

_COLUMNS = {
    "rate": ("per second", "{:,.0f}"),
    "p50_us": ("p50 µs", "{:,.0f}"),
    "p99_us": ("p99 µs", "{:,.0f}"),
    "cpu_us": ("server CPU µs each", "{:,.2f}"),
    "busy": ("server busy", "{:.0%}"),
    "kib": ("KiB per connection", "{:,.1f}"),
    "seconds": ("seconds", "{:.3f}"),
}
"""Heading and format of the values, in the order of the columns; the first that was measured is what is compared."""

_UNITS = {"kib": " KiB", "seconds": " s"}
_QUANTITIES = {"cpu_us": ", server CPU each", "p99_us": ", p99"}
_DISTURBED = 0.05


def report(results: Results) -> str:
    """Give the whole report."""
    parts = [
        "# Results",
        "Generated from `results.json` by `python -m benchmarks`. What is measured, and how: [README.md](README.md).",
        "![Rates of msanic-core as multiples of its peers'](results.png)",
        *_context(results),
        *findings(results),
    ]
    return "\n\n".join(parts) + "\n"


def findings(results: Results) -> list[str]:
    """Give what was found: goals, measurements, and what went wrong."""
    return [*_goals(results), *_disturbance(results), *_tables(results), *_problems(results)]


def _tables(results: Results) -> list[str]:
    """The tables of all measurements that have samples, each below its title."""
    parts = []
    for name, title in results.measurements.items():
        values = [
            value for value in _COLUMNS if any(s.measurement == name and value in s.values for s in results.samples)
        ]
        if values:
            parts += [f"## {title}", _table_of(results, name, values)]
    return parts


def _table_of(results: Results, measurement: str, values: Sequence[str]) -> str:
    ours = Figure(measurement, OURS, values[0])
    subjects = [name for name in results.subjects if results.by_round(Figure(measurement, name, values[0]))]
    compared = len(subjects) > 1 and bool(results.by_round(ours))
    heads = ["", *(_COLUMNS[value][0] for value in values), *([f"{results.subjects[OURS]} / this"] if compared else [])]
    rows = []
    for subject in subjects:
        cells = [_spread(results.spread(Figure(measurement, subject, value)), _COLUMNS[value][1]) for value in values]
        if compared:
            ratio = results.ratio(ours, Figure(measurement, subject, values[0]))
            cells.append("" if subject == OURS else _spread(ratio, "{:.2f}"))
        rows.append([results.subjects[subject], *cells])
    return table(heads, rows)


def _goals(results: Results) -> list[str]:
    rows = []
    for goal in GOALS:
        if not _is_of(goal, results):
            continue
        spread = goal.reached(results)
        sign, unit = "≥" if goal.at_least else "≤", " x" if goal.to else _UNITS[goal.figure.value]
        verdict = "not measured" if spread is None else "met" if goal.is_met(spread) else "**missed**"
        rows.append([*_names_of(goal, results), f"{sign} {goal.bound:g}{unit}", _spread(spread, "{:.2f}"), verdict])
    if not rows:
        return []
    explained = "Median of the rounds, in parentheses the lowest and the highest. Ratios are taken within each round."
    return ["## Goals", explained, table(["", "of", "compared to", "goal", "reached", ""], rows, left=3)]


def _disturbance(results: Results) -> list[str]:
    """In how many measurements something else ran on the two cores."""
    shares = [sample.values["others"] for sample in results.samples if "others" in sample.values]
    disturbed = sum(share > _DISTURBED for share in shares)
    where = f"{disturbed} of {len(shares)} measurements"
    return [f"Other programs had more than {_DISTURBED:.0%} of a core in {where}."] if shares else []


def _is_of(goal: Goal, results: Results) -> bool:
    """Say whether the run was to measure what the goal is about."""
    figures = [goal.figure] if goal.to is None else [goal.figure, goal.to]
    return all(each.measurement in results.measurements and each.subject in results.subjects for each in figures)


def _names_of(goal: Goal, results: Results) -> list[str]:
    figure, to = goal.figure, goal.to
    title = f"{results.measurements[figure.measurement]}{_QUANTITIES.get(figure.value, '')}"
    if to is None:
        compared = ""
    elif to.measurement != figure.measurement:
        compared = results.measurements[to.measurement]
    else:
        compared = results.subjects[to.subject]
    return [title, results.subjects[figure.subject], compared]


def _subject(name: str, results: Results) -> str:
    return results.subjects.get(name, name)


def _spread(spread: Spread | None, form: str) -> str:
    if spread is None:
        return "-"
    if spread.low == spread.high:
        return form.format(spread.median)
    return f"{form.format(spread.median)} ({form.format(spread.low)} - {form.format(spread.high)})"


def _context(results: Results) -> list[str]:
    run = [[name, str(value)] for name, value in results.context["run"].items()]
    machine = [[name, str(value)] for name, value in results.context["machine"].items()]
    versions = [[name, ", ".join(texts)] for name, texts in results.context["versions"].items()]
    return ["## Run", table(["", ""], [*run, *machine], left=2), "## Versions", table(["", ""], versions, left=2)]


def _problems(results: Results) -> Iterable[str]:
    if results.missing:
        rows = [[_subject(name, results), reason] for name, reason in results.missing.items()]
        yield from ("## Not measured", table(["", "why"], rows))
    if results.failures:
        yield "## Failures"
        for each in results.failures:
            title = results.measurements.get(each.measurement, each.measurement)
            yield f"{title}, {_subject(each.subject, results)}, round {each.round}:\n\n```\n{each.reason}\n```"


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """Give a Markdown table that is readable as it is; the `left` first columns are aligned to the left."""
    widths = [max(3, *(len(row[index]) for row in [heads, *rows])) for index in range(len(heads))]

    def line(cells: Sequence[str]) -> str:
        sides = ["<" if index < left else ">" for index in range(len(cells))]
        padded = [f"{cell:{side}{width}}" for cell, side, width in zip(cells, sides, widths, strict=True)]
        return f"| {' | '.join(padded)} |"

    rulers = ["-" * (width - 1) for width in widths]
    ruler = [f":{dashes}" if index < left else f"{dashes}:" for index, dashes in enumerate(rulers)]
    return "\n".join([line(heads), f"| {' | '.join(ruler)} |", *(line(row) for row in rows)])
