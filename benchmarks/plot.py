"""Draws the rates of msanic-core as multiples of its peers' from a file of samples: `python -m benchmarks.plot`.

Runs in the environment `core`, which has matplotlib; its arguments are the file and the directory for the pictures.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.results import GOALS, Figure, Results, Spread
from benchmarks.scenarios import OURS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_PICTURES = ("results.png", "results.svg")
_COLOURS = ("#3b6fb6", "#e08a2e", "#5b9a5b", "#8a6fb0")
_BAR_HEIGHT = 0.38


@dataclass(frozen=True)
class Bar:
    """A ratio, and what it is to be at least."""

    ratio: Spread
    goal: float | None


@dataclass(frozen=True)
class Panel:
    """Groups of bars, one below the other; each group may have one bar of each series."""

    title: str
    bars: Mapping[tuple[str, str], Bar]
    """By titles of group and series."""

    @property
    def groups(self) -> list[str]:
        """The groups from top to bottom."""
        return list(dict.fromkeys(group for group, _ in self.bars))

    @property
    def series(self) -> list[str]:
        """The bars of a group from top to bottom."""
        return list(dict.fromkeys(series for _, series in self.bars))


def panels(results: Results) -> list[Panel]:
    """Give what is drawn: commands grouped by peer, and everything else grouped by what is measured."""
    commands, others = {}, {}
    for measurement, title in results.measurements.items():
        for peer, peer_title in results.subjects.items():
            bar = _bar(results, measurement, peer)
            if bar and measurement.startswith("command-"):
                commands[peer_title, title] = bar
            elif bar:
                others[title, peer_title] = bar
    best = {
        peer: max(bar.ratio.median for (group, _), bar in commands.items() if group == peer) for peer, _ in commands
    }
    drawn = [
        Panel("Commands", dict(sorted(commands.items(), key=lambda item: best[item[0][0]], reverse=True))),
        Panel("Everything else", others),
    ]
    return [panel for panel in drawn if panel.bars]


def _bar(results: Results, measurement: str, peer: str) -> Bar | None:
    ours, theirs = Figure(measurement, OURS, "rate"), Figure(measurement, peer, "rate")
    ratio = results.ratio(ours, theirs)
    if ratio is None or peer.startswith(OURS):
        return None
    goal = next((goal.bound for goal in GOALS if (goal.figure, goal.to) == (ours, theirs)), None)
    return Bar(ratio, goal)


def draw(drawn: list[Panel], directory: Path) -> None:
    """Draw the panels into one picture, as PNG and as SVG; without panels there is nothing to draw."""
    if not drawn:
        return
    # Here and not above: what is drawn can be tested where there is no matplotlib.
    import matplotlib
    from matplotlib.figure import Figure as Picture

    # The same samples give the same file, byte by byte.
    matplotlib.rcParams["svg.hashsalt"] = "msanic-core"
    rows = [len(panel.groups) + 1.6 for panel in drawn]
    picture = Picture(figsize=(10, 0.62 * sum(rows)), layout="constrained")
    axes = picture.subplots(len(drawn), 1, squeeze=False, gridspec_kw={"height_ratios": rows})
    for panel, ax in zip(drawn, axes[:, 0], strict=True):
        _draw_panel(panel, ax)
    for name in _PICTURES:
        picture.savefig(directory / name, dpi=130, metadata={"Date": None} if name.endswith(".svg") else None)


def _draw_panel(panel: Panel, ax: "Axes") -> None:
    groups, series = panel.groups, panel.series
    height = 2 * _BAR_HEIGHT / max(2, len(series))
    for (group, name), bar in panel.bars.items():
        position = series.index(name)
        members = [each for each in series if (group, each) in panel.bars]
        y = groups.index(group) + (members.index(name) - (len(members) - 1) / 2) * height
        middle, low, high = bar.ratio
        text = f"{middle:.1f} x" if middle >= 1 else f"{middle:.2f} x"
        ax.barh(y, middle - 1, height * 0.92, left=1, color=_COLOURS[position % len(_COLOURS)])
        ax.plot([low, high], [y, y], color="black", linewidth=1)
        end = (max(high, bar.goal or 1, 1), y)
        ax.annotate(text, end, (5, 0), textcoords="offset points", va="center", fontsize=8)
        if bar.goal is not None:
            ax.plot([bar.goal] * 2, [y - height / 2, y + height / 2], color="crimson", linewidth=2)
    _label(panel, ax)


def _label(panel: Panel, ax: "Axes") -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    lows = [min(bar.ratio.low, bar.goal or 1) for bar in panel.bars.values()]
    highs = [max(bar.ratio.high, bar.goal or 1) for bar in panel.bars.values()]
    ax.set_xscale("log", base=2)
    ax.set_xlim(min(0.5, *lows) * 0.9, max(2.0, *highs) * 1.35)
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:g} x")
    ax.axvline(1, color="black", linewidth=1)
    ax.grid(axis="x", color="#dddddd")
    ax.set_axisbelow(True)
    ax.set_yticks(range(len(panel.groups)), panel.groups)
    ax.invert_yaxis()
    ax.tick_params(axis="y", length=0)
    ax.set_xlabel("times as many per second as the peer; right of 1 x msanic-core does more")
    ax.set_title(panel.title, loc="left", fontweight="bold")
    ax.spines[["top", "right", "left"]].set_visible(False)
    handles = [Patch(color=_COLOURS[i % len(_COLOURS)], label=name) for i, name in enumerate(panel.series)]
    goal = Line2D([], [], color="crimson", linewidth=2, label="goal")
    rounds = Line2D([], [], color="black", linewidth=1, label="lowest to highest round")
    ax.legend(
        handles=[*handles, goal, rounds], loc="lower right", bbox_to_anchor=(1, 1), ncols=2, fontsize=8, frameon=False
    )


if __name__ == "__main__":
    draw(panels(Results.from_json(Path(sys.argv[1]).read_text())), Path(sys.argv[2]))
