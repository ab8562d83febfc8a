"""Raw samples of a run, the ratios of each round, and the goals: all that a report is made from."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any, NamedTuple


@dataclass(frozen=True)
class Sample:
    """One measurement of one subject in one round; the values are named with their units."""

    measurement: str
    subject: str
    round: int
    values: dict[str, float]


@dataclass(frozen=True)
class Failure:
    """What could not be measured: the program did not start, gave wrong answers, or broke off."""

    measurement: str
    subject: str
    round: int
    reason: str


class Spread(NamedTuple):
    """What the rounds gave."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> "Spread | None":
        """Give the median and the extremes of some values, None where there are none."""
        found = sorted(values)
        return cls(median(found), found[0], found[-1]) if found else None


@dataclass(frozen=True)
class Figure:
    """One value of one subject in one measurement."""

    measurement: str
    subject: str
    value: str


@dataclass(frozen=True)
class Results:
    """A whole run."""

    context: dict[str, Any]
    """Where and how it was run: machine, versions, date, command line, rounds."""
    measurements: dict[str, str] = field(default_factory=dict)
    """Titles by name, in the order of the report."""
    subjects: dict[str, str] = field(default_factory=dict)
    """Titles by name, in the order of the report."""
    samples: list[Sample] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)
    """Why a subject was not measured at all, by name."""

    def by_round(self, figure: Figure) -> dict[int, float]:
        """Give a figure in each round that has it."""
        return {
            sample.round: sample.values[figure.value]
            for sample in self.samples
            if (sample.measurement, sample.subject) == (figure.measurement, figure.subject)
            and figure.value in sample.values
        }

    def spread(self, figure: Figure) -> Spread | None:
        """Give the median and the extremes of a figure over the rounds, None if it was not measured."""
        return Spread.of(self.by_round(figure).values())

    def ratio(self, figure: Figure, to: Figure) -> Spread | None:
        """Divide within each round, and give the median and the extremes of what comes out, None without a round."""
        over, under = self.by_round(figure), self.by_round(to)
        return Spread.of(over[number] / under[number] for number in over if under.get(number))

    def to_json(self) -> str:
        """Write everything down, each sample on a line of its own."""
        parts = []
        for name, value in asdict(self).items():
            if isinstance(value, list):
                rows = ",\n".join(f"  {json.dumps(row)}" for row in value)
                parts.append(f'"{name}": [\n{rows}\n]' if rows else f'"{name}": []')
            else:
                parts.append(f'"{name}": {json.dumps(value, indent=2)}')
        return "{\n" + ",\n".join(parts) + "\n}\n"

    @classmethod
    def from_json(cls, text: str) -> "Results":
        """Read what `to_json` wrote."""
        read = json.loads(text)
        samples = [Sample(**row) for row in read.pop("samples")]
        failures = [Failure(**row) for row in read.pop("failures")]
        return cls(**read, samples=samples, failures=failures)


@dataclass(frozen=True)
class Goal:
    """What a figure is to reach: by itself, or as a multiple of another one measured in the same round."""

    figure: Figure
    bound: float
    to: Figure | None = None
    at_least: bool = True
    """Otherwise: at most."""

    def reached(self, results: Results) -> Spread | None:
        """Give what the run reached, None if it measured too little for that."""
        return results.spread(self.figure) if self.to is None else results.ratio(self.figure, self.to)

    def is_met(self, spread: Spread) -> bool:
        """Say whether this is enough: the median decides."""
        return spread.median >= self.bound if self.at_least else spread.median <= self.bound


def _rate(measurement: str, **bounds: float) -> list[Goal]:
    """Goals for the core's rate as multiples of those of peers."""
    ours = Figure(measurement, "core", "rate")
    return [Goal(ours, bound, Figure(measurement, peer, "rate")) for peer, bound in bounds.items()]


def _msgpack(measurement: str) -> Goal:
    figure = Figure(measurement, "core-msgpack", "rate")
    return Goal(figure, 0.85, Figure(measurement, "core", "rate"))


def _redis(measurement: str, bound: float) -> Goal:
    figure = Figure(measurement, "core-redis", "rate")
    return Goal(figure, bound, Figure(measurement, "core", "rate"))


def _across(value: str, bound: float, at_least: bool = True) -> Goal:
    """A push across nodes, where nothing is kept, beside what the client of Redis publishes and receives by itself."""
    ours, bare = (Figure("push-nodes", subject, value) for subject in ("core-nodes", "redis-py"))
    return Goal(ours, bound, bare, at_least)


GOALS: tuple[Goal, ...] = (
    *_rate(
        "command-50x1",
        sanic=3.5,
        msanic=5,
        starlette=2,
        websockets=2,
        socketify=2,
        socketio=2,
        channels=2,
        ws=1.1,
        picows=0.85,
    ),
    *_rate("command-20x16", sanic=10, msanic=14, picows=1.9, ws=2.5, socketify=1.1),
    _msgpack("command-50x1"),
    _msgpack("command-20x16"),
    _redis("command-50x1", 0.97),
    _redis("command-20x16", 0.97),
    *_rate("broadcast-few", sanic=2, picows=0.95),
    *_rate("broadcast-few-bursts", sanic=6, picows=3),
    *_rate("broadcast-many", sanic=2, picows=0.95),
    *_rate("broadcast-many-bursts", sanic=6, picows=3),
    Goal(Figure("memory", "core", "kib"), 12, at_least=False),
    Goal(Figure("crowd-most", "core", "cpu_us"), 1.2, Figure("crowd-few", "core", "cpu_us"), at_least=False),
    _across("rate", 0.5),
    _across("p99_us", 3, at_least=False),
    *_rate("connect", sanic=0.7),
    Goal(Figure("connect", "core-redis", "rate"), 0.6, Figure("connect", "sanic", "rate")),
    *_rate("http", sanic=0.95),
    Goal(Figure("start", "core-ten", "seconds"), 1.2, Figure("start", "sanic", "seconds"), at_least=False),
    Goal(Figure("start", "help", "seconds"), 0.25, at_least=False),
)
"""Bun is measured as the limit of what there is, without a goal."""
