"""One call to Redis: what is sent, and who waits for the answer."""

import asyncio
from collections.abc import Sequence
from typing import Any

from msanic_core.engine.redis.scripts import Script

Argument = str | bytes | int | float


class RedisCall:
    """One command on its way.

    `deadline`: by the loop's clock, None: it waits for as long as it takes. `repeat`: whether it may be made twice.
    Until it is `sent`, its arguments may be changed.
    """

    __slots__ = ("answer", "arguments", "deadline", "keys", "repeat", "script", "sent", "whole")

    def __init__(
        self,
        script: Script | None,
        keys: Sequence[str],
        arguments: Sequence[Argument],
        deadline: float | None,
        answer: "asyncio.Future[Any]",
        repeat: bool,
    ) -> None:
        self.script = script
        # Encoded here, where who makes the call is told of text that cannot be.
        self.keys = [key.encode() for key in keys]
        self.arguments: Sequence[Argument] = [each.encode() if isinstance(each, str) else each for each in arguments]
        self.deadline = deadline
        self.answer = answer
        self.repeat = repeat
        self.sent = False
        self.whole = False
        """Whether the script's text has to be sent, because a server does not know it yet."""

    @property
    def name(self) -> str:
        """What it is called in the log."""
        if self.script is not None:
            return self.script.name
        first = self.arguments[0]
        return first.decode() if isinstance(first, bytes) else str(first)

    def command(self) -> Sequence[Argument]:
        """What is sent."""
        if self.script is None:
            # redis-py looks at a command's name, as text, for the server of a cluster that it belongs to.
            return (self.name, *self.arguments[1:])
        name, script = ("EVAL", self.script.text) if self.whole else ("EVALSHA", self.script.sha)
        return (name, script, len(self.keys), *self.keys, *self.arguments)

    def succeed(self, result: Any) -> None:
        """Give the answer to who waits for it."""
        if not self.answer.done():
            self.answer.set_result(result)

    def fail(self, error: Exception) -> None:
        """Tell who waits that there is no answer."""
        if not self.answer.done():
            self.answer.set_exception(error)
