"""What goes over the wire: `data` of the plugin's commands, of their answers and of its pushes."""

import msgspec


class InRoom(msgspec.Struct):
    """`data` of `chat.join`, `chat.leave` and `chat.who`."""

    room: str


class Say(msgspec.Struct):
    """`data` of `chat.say`."""

    room: str
    text: str


class Tell(msgspec.Struct):
    """`data` of `chat.tell`."""

    user: str
    text: str


class Message(msgspec.Struct, frozen=True):
    """The push `chat.told`: `user` is who wrote it, `at` when, in seconds since the epoch. No two share an `id`."""

    id: str
    user: str
    text: str
    at: float


class Said(Message, frozen=True):
    """The push `chat.said`, and a message of a room's history."""

    room: str


class Presence(msgspec.Struct, frozen=True):
    """The pushes `chat.joined` and `chat.left`."""

    room: str
    user: str


class Users(msgspec.Struct, frozen=True):
    """The answer to `chat.who`: who is in the room, sorted."""

    room: str
    users: list[str]


class Joined(Users, frozen=True):
    """The answer to `chat.join`: also what was said there last, oldest first."""

    messages: list[Said]


class Sent(msgspec.Struct, frozen=True):
    """The answer to `chat.say`: what the server made of the message."""

    id: str
    at: float


class Told(Sent, frozen=True):
    """The answer to `chat.tell`: also whether the user is online; if not, the message waits for them."""

    online: bool
