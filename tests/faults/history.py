"""What the processes and clients of a fault test did and saw: one JSON line per event, all in one file.

Uses only the standard library: fault tests put a copy of it where the plugins of the servers find it.

Every event has `event`, its name; `time`, nanoseconds of the system's clock, which all processes of a machine share;
and `pid`, the process that wrote it. The checker goes by the order of the lines, which no clock can turn round: what
was written before something else began is above it. So write what you are about to do before you do it (`opening`,
`pushing`), and what you saw after you saw it.

Servers write, by their plugins:

| event | fields | meaning |
| --- | --- | --- |
| `online` | session user client node | a session has begun (`ws_online`) |
| `offline` | plugin session user reason last | a plugin's `ws_offline` begins |
| `offline_end` | plugin session | it has ended, in whatever way |
| `pushing` | user number key | a durable message is about to be pushed; `number` names it, for this user, for good: |
| | | a second try has the same number, and a `key` so that it is stored once |
| `pushed` | user number id | the push returned: the message is accepted, under this id of the inbox |
| `push_failed` | user number error | the push raised: it may be stored or not |

Clients write; `connection` is a name that no other attempt to connect has:

| event | fields | meaning |
| --- | --- | --- |
| `opening` | connection user client | it is about to connect; `client` is the id of the handshake: one device, which |
| | | has one connection at a time |
| `open` | connection session | it is connected and knows its session |
| `received` | connection number id lost | a durable message came, with the count of those lost before it |
| `acked` | connection id | its acknowledgement of all up to `id` has taken effect: they must not come again |
| `resumed` | connection after | it is about to ask for everything after that id: what it had is to come again |
| `close` | connection code | the connection has ended; `code` null: without a close frame |
| `gone` | user client | this device will not be back: what it has not got by now is not missed |

Only who runs the test knows of these, and writes them:

| event | fields | meaning |
| --- | --- | --- |
| `killed` | target | the process with this id is dead, and with it what it served or held as a client |
| `frozen` | target | the process is stopped, or cut off from Redis, so that others may hold it for dead |
| `thawed` | target | it is about to go on |
| `forgetting` | | Redis is about to lose what it has accepted: it is emptied, or fails over. Ids may begin anew |
| `forgot` | | it did: what was pushed before this line need not arrive |
"""

import json
import os
import time
from pathlib import Path
from typing import Any

Event = dict[str, Any]

FIELDS: dict[str, set[str]] = {
    "online": {"session", "user", "client", "node"},
    "offline": {"plugin", "session", "user", "reason", "last"},
    "offline_end": {"plugin", "session"},
    "pushing": {"user", "number", "key"},
    "pushed": {"user", "number", "id"},
    "push_failed": {"user", "number", "error"},
    "opening": {"connection", "user", "client"},
    "open": {"connection", "session"},
    "received": {"connection", "number", "id", "lost"},
    "acked": {"connection", "id"},
    "resumed": {"connection", "after"},
    "close": {"connection", "code"},
    "gone": {"user", "client"},
    "killed": {"target"},
    "frozen": {"target"},
    "thawed": {"target"},
    "forgetting": set(),
    "forgot": set(),
}


class History:
    """Writes events to a file that other processes write to as well."""

    def __init__(self, path: str | Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def record(self, event: str, **fields: Any) -> None:
        """Add one event. It is in the file when this returns, whatever becomes of the process.

        Raises `ValueError` for an event that is not in the table: the checker would look for another one in vain.
        """
        if fields.keys() != FIELDS.get(event):
            raise ValueError(f"there is no event {event!r} with the fields {sorted(fields)}")
        line = json.dumps({"event": event, "time": time.time_ns(), "pid": os.getpid(), **fields}) + "\n"
        data = line.encode()
        # Appended in one call: only so do the lines of several processes never mix.
        if os.write(self._file, data) != len(data):
            raise OSError(f"only a part of this could be written: {line}")

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


def read_history(path: str | Path) -> list[Event]:
    """All events so far, in the order in which they were written. Raises `ValueError` naming a line that is none."""
    events = []
    # What follows the last line break is being written at this moment.
    for number, line in enumerate(Path(path).read_text().split("\n")[:-1], 1):
        try:
            event = json.loads(line)
            complete = event.keys() == {"event", "time", "pid"} | FIELDS[event["event"]]
        except (ValueError, TypeError, KeyError, AttributeError):
            complete = False
        if not complete:
            raise ValueError(f"{path}, line {number} is no event: {line!r}")
        events.append(event)
    return events
