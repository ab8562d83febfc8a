"""Runs the benchmarks, or makes the report of the last whole run again."""

import argparse
import os
import resource
import shlex
import signal
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import startup
from benchmarks.environments import BENCHMARKS, HOME, ROOT, EnvironmentProblem, Environments, prepare
from benchmarks.loads import Cores
from benchmarks.report import findings, report
from benchmarks.results import Results
from benchmarks.rounds import Rounds, plan
from benchmarks.scenarios import FULL, QUICK, VARIANTS, Sizes, measurements, subject_of
from benchmarks.startup import Starter
from benchmarks.targets import TARGETS, Target
from benchmarks.versions import machine, versions

ROUNDS = 5
_SAMPLES = "results.json"


class BenchmarkError(Exception):
    """The machine cannot do what the measurements need; the text says what is missing."""


def main() -> int:
    """Do what the command line says; the exit code is 0 if everything could be measured."""
    arguments = _parser().parse_args()
    # Like Ctrl-C: what was started is stopped on the way out. `nohup` keeps its meaning.
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)
    try:
        if arguments.report:
            return _report_again()
        return _run(arguments)
    except (EnvironmentProblem, BenchmarkError) as error:
        _say(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        _say("interrupted: nothing is written")
        return 130


def _report_again() -> int:
    samples = BENCHMARKS / _SAMPLES
    if not samples.exists():
        raise BenchmarkError(f"there is no {samples.relative_to(ROOT)}: run `make bench`")
    _write(Results.from_json(samples.read_text()), BENCHMARKS, prepare([]))
    return 0


def _run(arguments: argparse.Namespace) -> int:
    """Measure, print the tables, and write the report: of a whole run beside this file, of any other below `.env/`."""
    cores = _take_cores()
    sizes = QUICK if arguments.quick else FULL
    rounds = arguments.rounds or (1 if arguments.quick else ROUNDS)
    wanted = [target for target in TARGETS if not arguments.targets or target.name in arguments.targets]
    environments = prepare([target.name for target in wanted])
    missing = dict(environments.missing)
    targets = [target for target in wanted if target.name not in missing]
    chosen = [each for each in measurements(sizes) if not arguments.only or each.scenario in arguments.only]
    with_start = not arguments.only or startup.NAME in arguments.only
    programs = startup.starters(targets, environments) if with_start else []

    results = Results(_context(environments, sizes, rounds), missing=missing)
    results.measurements.update({each.name: each.title for each in chosen})
    results.measurements.update({startup.NAME: startup.TITLE} if programs else {})
    results.subjects.update(_subjects(wanted, programs))
    work = Rounds(environments, cores, results, _say)
    work.start(programs, startup.NAME, 0)
    for number in range(1, rounds + 1):
        for jobs in plan(chosen, targets, number, shared=arguments.quick):
            work.serve(jobs, number)
        for each in range(1, sizes.starts + 1):
            work.start(programs, startup.NAME, (number - 1) * sizes.starts + each)
    return _finish(results, environments, whole=not (arguments.quick or arguments.only or arguments.targets))


def _finish(results: Results, environments: Environments, whole: bool) -> int:
    print("\n\n".join(findings(results)))
    _write(results, BENCHMARKS if whole else HOME / "last", environments)
    return 1 if results.failures else 0


def _subjects(targets: Sequence[Target], programs: Sequence[Starter]) -> dict[str, str]:
    """Give the titles of everything that is measured."""
    titles = {}
    for target in targets:
        titles[target.name] = target.title
        for exchange, (_, words) in VARIANTS.items():
            if exchange in target.exchanges:
                titles[subject_of(target.name, exchange)] = f"{target.title}{words}"
    return titles | {program.subject: program.title for program in programs}


def _context(environments: Environments, sizes: Sizes, rounds: int) -> dict[str, Any]:
    run = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "command line": shlex.join(["python", "-m", "benchmarks", *sys.argv[1:]]),
        "rounds": rounds,
        "seconds per measurement": f"{sizes.seconds:g}, after {sizes.warmup:g} of warm-up",
    }
    return {"run": run, "machine": machine(), "versions": versions(environments)}


def _write(results: Results, directory: Path, environments: Environments) -> None:
    """Write samples, report and pictures; these are drawn where matplotlib is, in the environment of the core."""
    directory.mkdir(exist_ok=True)
    samples = directory / _SAMPLES
    samples.write_text(results.to_json())
    (directory / "RESULTS.md").write_text(report(results))
    command = (environments.core_python, "-m", "benchmarks.plot", samples, directory)
    if subprocess.run([str(part) for part in command], cwd=ROOT, check=False).returncode:
        raise BenchmarkError(f"the pictures were not drawn; everything else is in {directory.relative_to(ROOT)}")
    _say(f"written: {(directory / 'RESULTS.md').relative_to(ROOT)}")


def _take_cores() -> Cores:
    """Bind this process to the core of the load: the server's core is to have nothing else to do."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise BenchmarkError("this machine offers one core: the server and the load generator need one each")
    os.sched_setaffinity(0, {cores[1]})
    _, limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    return Cores(server=cores[0], load=cores[1], spare=cores[2] if len(cores) > 2 else None)


def _parser() -> argparse.ArgumentParser:
    scenarios = list(dict.fromkeys([*(each.scenario for each in measurements(FULL)), startup.NAME]))
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measures msanic-core beside its peers.")
    parser.add_argument("--quick", action="store_true", help="everything once and very short: does it work?")
    parser.add_argument("--only", nargs="+", metavar="SCENARIO", choices=scenarios, help=", ".join(scenarios))
    names = [target.name for target in TARGETS]
    parser.add_argument("--targets", nargs="+", metavar="NAME", choices=names, help=", ".join(names))
    parser.add_argument("--rounds", type=_positive, metavar="N", help=f"default {ROUNDS}, with --quick 1")
    parser.add_argument("--report", action="store_true", help=f"make the report again from {_SAMPLES}")
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
