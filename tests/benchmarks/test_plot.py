from benchmarks.plot import Bar, panels
from benchmarks.results import Results, Sample, Spread


def test_what_is_drawn() -> None:
    rates = {"core": 300, "core-msgpack": 200, "sanic": 100, "bun": 600}
    samples = [Sample("command-50x1", name, 1, {"rate": rate}) for name, rate in rates.items()]
    samples += [Sample("http", "core", 1, {"rate": 8}), Sample("http", "sanic", 1, {"rate": 4})]
    samples += [Sample("memory", name, 1, {"kib": 8}) for name in rates]
    titles = {"command-50x1": "Commands", "http": "HTTP", "memory": "Memory"}
    commands, others = panels(Results({}, titles, {name: name.title() for name in ["bun", *rates]}, samples))
    # The peers with the highest ratio first; the goals are those of the table.
    assert list(commands.bars.items()) == [
        (("Sanic", "Commands"), Bar(Spread(3, 3, 3), 3.5)),
        (("Bun", "Commands"), Bar(Spread(0.5, 0.5, 0.5), None)),
    ]
    assert others.bars == {("HTTP", "Sanic"): Bar(Spread(2, 2, 2), 0.95)}


def test_nothing_to_compare() -> None:
    assert panels(Results({}, {"http": "HTTP"}, {"core": "Core"}, [Sample("http", "core", 1, {"rate": 8})])) == []
