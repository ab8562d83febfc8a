"""One call to Redis: what is sent, and the future of the answer."""

import asyncio
from collections.abc import Sequence
from typing import Any

from msanic_core.engine.redis.scripts import Script

Argument = str | bytes | int | float


class RedisCall:
    """One command or script.

    `deadline`: by the loop's clock; None: the call waits for Redis as long as it takes. `repeat`: whether it may be
    sent twice. Its arguments may be changed until it is `sent`.
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
        # Encoded here, so that text which cannot be encoded raises in the caller.
        self.keys = [key.encode() for key in keys]
        self.arguments: Sequence[Argument] = [each.encode() if isinstance(each, str) else each for each in arguments]
        self.deadline = deadline
        self.answer = answer
        self.repeat = repeat
        self.sent = False
        self.whole = False
        """Whether the script's text has to be sent, because a server may not know the script."""

    @property
    def name(self) -> str:
        """The call's name in the log."""
        if self.script is not None:
            return self.script.name
        first = self.arguments[0]
        return first.decode() if isinstance(first, bytes) else str(first)

    def command(self) -> Sequence[Argument]:
        """The words that are sent."""
        if self.script is None:
            # redis-py chooses the server of a cluster by the command's name, which must be text.
            return (self.name, *self.arguments[1:])
        name, script = ("EVAL", self.script.text) if self.whole else ("EVALSHA", self.script.sha)
        return (name, script, len(self.keys), *self.keys, *self.arguments)

    def succeed(self, result: Any) -> None:
        """Give the answer to the caller."""
        if not self.answer.done():
            self.answer.set_result(result)

    def fail(self, error: Exception) -> None:
        """Tell the caller that there is no answer."""
        if not self.answer.done():
            self.answer.set_exception(error)
