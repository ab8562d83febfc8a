"""Carries out the measurements: in each round every subject once, in an order that changes from round to round."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import TypeVar

from benchmarks.environments import Environments
from benchmarks.loads import Cores, LoadError
from benchmarks.results import Failure, Results, Sample
from benchmarks.scenarios import Generator, Measurement, Values, subject_of
from benchmarks.servers import Server, ServerError, free_port, running
from benchmarks.startup import Starter
from benchmarks.targets import Process, Target

T = TypeVar("T")


@dataclass(frozen=True)
class Job:
    """One measurement of one subject."""

    measurement: Measurement
    target: Target
    exchange: str

    @property
    def subject(self) -> str:
        """The name that its samples have."""
        return subject_of(self.target.name, self.exchange)


def plan(measurements: Sequence[Measurement], targets: Sequence[Target], number: int, shared: bool) -> list[list[Job]]:
    """Give the jobs of a round in groups, each of which has one server.

    A server is started for each job; with `shared` for all jobs of a target, for a run that is to be short.
    """
    jobs = [
        [Job(measurement, target, exchange) for target in targets for exchange in measurement.exchanges_of(target)]
        for measurement in measurements
    ]
    if shared:
        every = sorted((job for group in jobs for job in group), key=lambda job: not job.measurement.fresh)
        groups = ([job for job in every if job.target == target] for target in rotated(targets, number))
        return [group for group in groups if group]
    return [[job] for group in jobs for job in rotated(group, number)]


def rotated(items: Sequence[T], number: int) -> list[T]:
    """Begin with another one in each round, so that nobody always comes after the same silence or noise."""
    first = (number - 1) % len(items) if items else 0
    return [*items[first:], *items[:first]]


class Rounds:
    """Carries out jobs, and records what they give."""

    def __init__(self, environments: Environments, cores: Cores, results: Results, say: Callable[[str], None]) -> None:
        self._environments = environments
        self._cores = cores
        self._generator = Generator(environments.load, environments.core_python, cores)
        self._results = results
        self._say = say

    def serve(self, jobs: list[Job], number: int) -> None:
        """Do jobs of one target on one server; after a failure those that are left get a new one."""
        left = [job for job in jobs if not self._failed(job.measurement.name, job.subject)]
        while left:
            try:
                with self._server(left[0].target) as server:
                    while left:
                        job = left.pop(0)
                        if not self._do(job, server, number):
                            break
            except ServerError as error:
                for job in left:
                    self._fail(job.measurement.name, job.subject, number, str(error))
                return

    def start(self, starters: Sequence[Starter], measurement: str, number: int) -> None:
        """Start each once and record how long that took; round 0, which reads all files for the first time, is not."""
        for starter in rotated(starters, number):
            if self._failed(measurement, starter.subject):
                continue
            try:
                seconds = starter.seconds(self._cores.server)
            except ServerError as error:
                self._fail(measurement, starter.subject, number, str(error))
            else:
                if number:
                    self._record(measurement, starter.subject, number, {"seconds": seconds})

    def _do(self, job: Job, server: Server, number: int) -> bool:
        exchange = job.target.exchanges[job.exchange]
        try:
            values = job.measurement.measure(self._generator, server, exchange)
        except LoadError as error:
            # What it says about what happened to it may be on its way.
            server.settle(1.0)
            output = server.last_words() or " nothing"
            self._fail(job.measurement.name, job.subject, number, f"{error}\n    the server wrote:{output}")
            return False
        self._record(job.measurement.name, job.subject, number, values)
        return True

    @contextmanager
    def _server(self, target: Target) -> Iterator[Server]:
        with self._redis(target) as redis, ExitStack() as nodes:
            server = None
            for _ in range(target.nodes):
                server = nodes.enter_context(self._node(target, redis, server))
            assert server is not None, "a target has at least one node"
            # Some accept connections before the last steps of their start are done.
            server.settle(5.0)
            yield server

    def _node(self, target: Target, redis: Server | None, second: Server | None) -> AbstractContextManager[Server]:
        port = free_port()
        process = target.start(self._environments, port, redis.port if redis else 0)
        cores = [self._cores.server]
        if target.cores > 1:
            cores.append(self._cores.load if self._cores.spare is None else self._cores.spare)
        return running(process, port, *cores, helper=redis, second=second)

    @contextmanager
    def _redis(self, target: Target) -> Iterator[Server | None]:
        """Run a private Redis for a target that needs one, beside the load: its CPU time is not the server's."""
        program = self._environments.redis_server
        if not target.needs_redis or program is None:
            yield None
            return
        port = free_port()
        options = ("--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no")
        with running(Process((str(program), *options)), port, self._cores.load) as redis:
            yield redis

    def _failed(self, measurement: str, subject: str) -> bool:
        return any((each.measurement, each.subject) == (measurement, subject) for each in self._results.failures)

    def _record(self, measurement: str, subject: str, number: int, values: Values) -> None:
        self._results.samples.append(Sample(measurement, subject, number, values))
        shown = ", ".join(f"{name} {value:,.4g}" for name, value in values.items())
        self._say(f"round {number}: {measurement}, {subject}: {shown}")

    def _fail(self, measurement: str, subject: str, number: int, reason: str) -> None:
        self._results.failures.append(Failure(measurement, subject, number, reason))
        self._say(f"round {number}: {measurement}, {subject}: FAILED: {reason}")
