"""Each session that was opened and lost has one call of `ws_offline` per plugin, each that is still open has none."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from tests.faults.history import Event


@dataclass
class _Call:
    """One call of a plugin's hook. `excused`: it may not be known as done to those who come after."""

    process: int
    excused: bool
    ended: int | None = None


@dataclass
class _Session:
    """`processes`: the server's and the client's. `open`: a client said so, and nothing yet says that it was lost."""

    known: bool = False
    open: bool = False
    lost: bool = False
    processes: set[int] = field(default_factory=set)
    calls: defaultdict[str, list[_Call]] = field(default_factory=lambda: defaultdict(list))

    def lose(self) -> None:
        self.open, self.lost = False, True


class _Story:
    """What the events tell, one after the other."""

    def __init__(self, unmarked: float) -> None:
        self.sessions: defaultdict[str, _Session] = defaultdict(_Session)
        self.anything_killed = False
        self._unmarked = int(unmarked * 1e9)
        self._connections: dict[str, str] = {}
        self._frozen: set[int] = set()

    def take(self, event: Event) -> None:
        match event["event"]:
            case "online":
                self._begin(event["session"], event["pid"])
            case "open":
                session = self._begin(event["session"], event["pid"])
                session.open = not session.lost
                self._connections[event["connection"]] = event["session"]
            case "close" if event["connection"] in self._connections:
                self.sessions[self._connections[event["connection"]]].lose()
            case "offline":
                call = _Call(event["pid"], excused=event["pid"] in self._frozen)
                self.sessions[event["session"]].calls[event["plugin"]].append(call)
            case "offline_end":
                for call in self.sessions[event["session"]].calls[event["plugin"]]:
                    if call.process == event["pid"] and call.ended is None:
                        call.ended = event["time"]
            case "killed":
                self.anything_killed = True
                self._interrupt(event["target"], event["time"])
                for session in self.sessions.values():
                    if event["target"] in session.processes:
                        session.lose()
            case "frozen":
                self._frozen.add(event["target"])
                self._interrupt(event["target"], event["time"])
            case "thawed":
                self._frozen.discard(event["target"])

    def _begin(self, session_id: str, process: int) -> _Session:
        session = self.sessions[session_id]
        session.known = True
        session.processes.add(process)
        return session

    def _interrupt(self, process: int, time: int) -> None:
        for session in self.sessions.values():
            for call in (call for calls in session.calls.values() for call in calls):
                if call.process == process and (call.ended is None or time - call.ended < self._unmarked):
                    call.excused = True


def check_offline(events: Sequence[Event], plugins: Collection[str], unmarked: float) -> list[str]:
    """See `check`."""
    story = _Story(unmarked)
    for event in events:
        story.take(event)
    return [
        f"session {name}: {text}"
        for name, session in story.sessions.items()
        for text in _judge(session, plugins, story.anything_killed)
    ]


def _judge(session: _Session, plugins: Collection[str], anything_killed: bool) -> Iterator[str]:
    if not session.known and not anything_killed:
        yield "plugins were told of its end, and nobody of its beginning"
    for plugin in plugins:
        calls = session.calls[plugin]
        if session.lost and not calls:
            yield f"it was lost, and plugin {plugin} was never told"
        if session.open and calls:
            yield f"it is still open, and plugin {plugin} was told that it was lost"
        if not all(call.excused for call in calls[:-1]):
            yield f"plugin {plugin} was told {len(calls)} times, and its process did not die in the middle of it"
