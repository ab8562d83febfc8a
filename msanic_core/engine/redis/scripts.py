"""The Lua scripts of `lua/`, each an atomic action. The README says what each does and when it may run twice."""

import hashlib
from importlib.resources import files
from typing import NamedTuple

_INCLUDE = "--# "


class Script(NamedTuple):
    """A script: its name here, its text, and the name under which Redis keeps it once it has seen it (`EVALSHA`)."""

    name: str
    text: str
    sha: str


def load(name: str) -> Script:
    """Read a script. A line `--# NAME` in it names another file, whose text is put before it."""
    text = _read(name)
    shared = [line.removeprefix(_INCLUDE) for line in text.splitlines() if line.startswith(_INCLUDE)]
    whole = "\n".join([*map(_read, shared), text])
    return Script(name, whole, hashlib.sha1(whole.encode(), usedforsecurity=False).hexdigest())


def _read(name: str) -> str:
    return files("msanic_core.engine.redis").joinpath("lua", f"{name}.lua").read_text()


def texts() -> list[str]:
    """The texts of all scripts."""
    return [value.text for value in globals().values() if isinstance(value, Script)]


ACKNOWLEDGE = load("acknowledge")
BEAT = load("beat")
BROADCAST = load("broadcast")
CLAIM = load("claim")
CONDEMN = load("condemn")
DONE = load("done")
ENTER = load("enter")
HANDSHAKE = load("handshake")
JOIN = load("join")
KICK = load("kick")
LEAVE = load("leave")
LOCK = load("lock")
PUSH = load("push")
READ = load("read")
REGISTER = load("register")
RENEW = load("renew")
RESTORE = load("restore")
SEND = load("send")
UNLOCK = load("unlock")
UNREGISTER = load("unregister")
