import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.environments import find_redis_server
from benchmarks.exchanges import Exchange
from benchmarks.loads import Cores, LoadError
from benchmarks.results import Results
from benchmarks.rounds import Job, Rounds, plan, rotated
from benchmarks.scenarios import FULL, QUICK, Generator, Measurement, Values, measurements
from benchmarks.servers import Server, ServerError
from benchmarks.startup import Starter
from benchmarks.targets import TARGETS, Target
from tests.support.programs import CORES, LISTENS, environments, python

WAITS = f"{LISTENS}\nimport time; time.sleep(60)"
SAYS_WHY = f"""
import sys, time
{LISTENS}
print("out of paper", file=sys.stderr, flush=True)
time.sleep(60)
"""


def target(name: str, source: str = WAITS, keys: Sequence[str] = ("x",)) -> Target:
    return Target(name, name, lambda _, port, __: python(source, port), {key: Exchange() for key in keys})


class Measuring:
    """A measurement that notes which servers it was called with, and fails for some calls."""

    def __init__(self, name: str, fails: Sequence[int] = (), fresh: bool = False) -> None:
        self.servers: list[int] = []
        self.measurement = Measurement(name, name, name, self._measure, ("x",), fresh=fresh)
        self._fails = fails

    def _measure(self, generator: Generator, server: Server, exchange: Exchange) -> Values:
        self.servers.append(server._process.pid)
        if len(self.servers) in self._fails:
            raise LoadError("load ended with 1")
        return {"rate": float(len(self.servers))}


def carry_out(
    groups: list[list[Job]], results: Results | None = None, number: int = 1, cores: Cores = CORES
) -> tuple[Results, list[str]]:
    said: list[str] = []
    results = results or Results({})
    found = replace(environments(), redis_server=find_redis_server(Path(sys.executable)))
    rounds = Rounds(found, cores, results, said.append)
    for jobs in groups:
        rounds.serve(jobs, number)
    return results, said


def test_rotation() -> None:
    assert [rotated("abc", number) for number in (1, 2, 3, 4)] == [[*"abc"], [*"bca"], [*"cab"], [*"abc"]]
    assert rotated([], 5) == []


def test_every_subject_has_a_server_for_each_measurement_in_changing_order() -> None:
    first, second = (plan(measurements(FULL), TARGETS, number, shared=False) for number in (1, 2))
    assert all(len(jobs) == 1 for jobs in first)
    names = [(jobs[0].measurement.name, jobs[0].subject) for jobs in first]
    assert names[:3] == [("command-50x1", "core"), ("command-50x1", "core-msgpack"), ("command-50x1", "core-redis")]
    others = [(jobs[0].measurement.name, jobs[0].subject) for jobs in second]
    assert others[0] == ("command-50x1", "core-msgpack")
    assert sorted(names) == sorted(others)
    assert len(set(names)) == len(names)
    assert {subject for name, subject in names if name == "crowd-most"} == {"core", "picows", "ws", "bun"}
    assert {subject for name, subject in names if name == "connect"} == {"core", "core-redis", "sanic"}
    across = {subject for name, subject in names if name == "push-nodes"}
    assert across == {"core-nodes", "core-nodes-durable", "redis-py"}


def test_shared_servers() -> None:
    groups = plan(measurements(FULL), TARGETS, 1, shared=True)
    assert [jobs[0].target.name for jobs in groups] == [each.name for each in TARGETS if each.name != "core-ten"]
    assert all(job.target == jobs[0].target for jobs in groups for job in jobs)
    # A server that has had other connections has room for new ones.
    assert groups[0][0].measurement.name == "memory"
    apart = [(job.measurement.name, job.subject) for group in groups for job in group]
    assert sorted(apart) == sorted(
        (jobs[0].measurement.name, jobs[0].subject) for jobs in plan(measurements(FULL), TARGETS, 1, shared=False)
    )


def test_samples_are_recorded() -> None:
    measuring = Measuring("m")
    results, said = carry_out(plan([measuring.measurement], [target("a"), target("b")], 1, shared=False))
    assert [(each.subject, each.round, each.values) for each in results.samples] == [
        ("a", 1, {"rate": 1.0}),
        ("b", 1, {"rate": 2.0}),
    ]
    assert said == ["round 1: m, a: rate 1", "round 1: m, b: rate 2"]
    assert len(set(measuring.servers)) == 2


def test_two_nodes_have_a_port_each_and_their_core_together() -> None:
    def measure(generator: Generator, server: Server, exchange: Exchange) -> Values:
        assert server.second is not None
        assert server.helper is not None
        assert server.helper is server.second.helper
        return {"ports": len({server.port, server.second.port, server.helper.port}), "cores": len(server.second.cores)}

    nodes = replace(target("a"), nodes=2, needs_redis=True)
    results, _ = carry_out(plan([Measurement("m", "m", "m", measure, ("x",))], [nodes], 1, shared=False))
    assert [each.values for each in results.samples] == [{"ports": 3, "cores": 1}]


def test_a_second_core_is_the_spare_one_where_there_is_one() -> None:
    def measure(generator: Generator, server: Server, exchange: Exchange) -> Values:
        first, second = server.cores
        return {"first": first, "second": second}

    jobs = plan([Measurement("m", "m", "m", measure, ("x",))], [replace(target("a"), cores=2)], 1, shared=False)
    one, other = CORES.server, CORES.load
    for cores in (Cores(one, other), Cores(one, one, spare=other)):
        results, _ = carry_out(jobs, cores=cores)
        assert [each.values for each in results.samples] == [{"first": one, "second": other}]


def test_what_redis_py_publishes_and_receives_by_itself() -> None:
    if find_redis_server(Path(sys.executable)) is None:
        pytest.skip("redis-server is missing: run `make services`")
    sizes = replace(QUICK, seconds=0.2, warmup=0.05)
    across = [each for each in measurements(sizes) if each.name == "push-nodes"]
    bare = [each for each in TARGETS if each.name == "redis-py"]
    results, said = carry_out(plan(across, bare, 1, shared=False))
    assert not results.failures, said
    (sample,) = results.samples
    assert sample.values["rate"] > 10
    assert 0 < sample.values["p50_us"] <= sample.values["p99_us"]
    # Both halves are counted: by itself each of them needs less than what is left of the core.
    assert sample.values["cpu_us"] > 0


def test_a_server_that_does_not_start_is_reported_and_the_others_go_on() -> None:
    broken = target("broken", "raise RuntimeError('on purpose')")
    results, _ = carry_out(plan([Measuring("m").measurement], [broken, target("b")], 1, shared=False))
    (failure,) = results.failures
    assert (failure.measurement, failure.subject, failure.round) == ("m", "broken", 1)
    assert failure.reason.endswith("\n    RuntimeError: on purpose")
    assert [each.subject for each in results.samples] == ["b"]


def test_after_a_failure_the_next_has_a_new_server() -> None:
    one, two, three = Measuring("one"), Measuring("two", fails=[1]), Measuring("three")
    jobs = plan([each.measurement for each in (one, two, three)], [target("a", SAYS_WHY)], 1, shared=True)
    results, _ = carry_out(jobs)
    assert one.servers == two.servers != three.servers
    assert [each.measurement for each in results.samples] == ["one", "three"]
    (failure,) = results.failures
    assert failure.reason == "load ended with 1\n    the server wrote:\n    out of paper"


def test_what_failed_is_not_tried_again() -> None:
    measuring = Measuring("m", fails=[1])
    jobs = plan([measuring.measurement], [target("a")], 1, shared=False)
    results, _ = carry_out(jobs)
    carry_out(jobs, results, number=2)
    assert len(measuring.servers) == 1
    assert len(results.failures) == 1


def test_starts_are_recorded_but_for_the_first() -> None:
    def fails(_: int) -> float:
        raise ServerError("did not start")

    results = Results({})
    rounds = Rounds(environments(), CORES, results, lambda _: None)
    for number in (0, 1):
        rounds.start([Starter("a", "A", lambda _: 0.5), Starter("b", "B", fails)], "start", number)
    assert [(each.subject, each.round, each.values) for each in results.samples] == [("a", 1, {"seconds": 0.5})]
    assert [(each.subject, each.round) for each in results.failures] == [("b", 0)]
