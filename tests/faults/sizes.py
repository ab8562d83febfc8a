"""How large a fault test is: small with every run of the tests, as large as the goals say with `make faults`."""

import os
import random
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

SEED = int(os.environ.get("FAULTS_SEED") or random.randrange(1_000_000))
"""For what a test leaves to chance: another one each time, and that of `FAULTS_SEED` to do it again."""

FULL = os.environ.get("FAULTS_FULL") == "1"


def size(quick: T, full: T) -> T:
    """One of two sizes, by `FAULTS_FULL`."""
    return full if FULL else quick


def report(goal: str, **figures: object) -> None:
    """Write down what was measured, for people: a line to the file that `FAULTS_FIGURES` names, if it does."""
    if path := os.environ.get("FAULTS_FIGURES"):
        line = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in figures.items())
        with Path(path).open("a") as file:
            file.write(f"{goal}: {line}\n")
