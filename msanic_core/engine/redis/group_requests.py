"""Groups of sessions on other nodes: a node asks the node of the session, and waits for its answer.

Only the node of a session changes the session's groups, so that its own list and the store say the same.
"""

import asyncio
import itertools
import logging
from collections.abc import Awaitable, Callable

from msanic_core.engine.redis.names import Names
from msanic_core.engine.redis.pipeline import Pipeline
from msanic_core.engine.redis.records import GroupAnswer, GroupRequest, answer_payload, request_payload
from msanic_core.engine.redis.sessions import Sessions
from msanic_core.errors import StoreUnavailableError
from msanic_core.identity import SessionInfo

log = logging.getLogger("msanic_core.redis")


class GroupRequests:
    """What this node asks of others, and what they ask of it.

    `timeout`: seconds until a node that gives no answer is given up. `change` does what others ask: `Delivery`.
    """

    def __init__(
        self,
        names: Names,
        pipeline: Pipeline,
        sessions: Sessions,
        node: str,
        timeout: float,
        change: Callable[[str, str, bool], Awaitable[bool]],
    ) -> None:
        self._names = names
        self._pipeline = pipeline
        self._sessions = sessions
        self._node = node
        self._timeout = timeout
        self._change = change
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[bool | None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def ask(self, session: SessionInfo, group: str, member: bool) -> bool:
        """See `Engine.ask_to_change_group`."""
        if not any(each.id == session.id for each in await self._sessions.of_user(session.user)):
            return False
        number = next(self._numbers)
        answer: asyncio.Future[bool | None] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        try:
            request = GroupRequest(number, self._node, session.id, group, member)
            await self._publish(session.node, request_payload(request))
            async with asyncio.timeout(self._timeout):
                done = await answer
        except TimeoutError:
            raise StoreUnavailableError(f"node {session.node} gave no answer within {self._timeout:g} s") from None
        finally:
            del self._waiting[number]
        if done is None:
            raise StoreUnavailableError(f"node {session.node} cannot change the group now, try again")
        return done

    def asked(self, request: GroupRequest) -> None:
        """Do what another node asks, and answer."""
        task = asyncio.get_running_loop().create_task(self._serve(request))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def answered(self, answer: GroupAnswer) -> None:
        """Take the answer of another node. One that comes too late is for nobody."""
        waiting = self._waiting.get(answer.number)
        if waiting is not None and not waiting.done():
            waiting.set_result(answer.done)

    async def stop(self) -> None:
        """Leave requests of other nodes unanswered: the sessions of this node are gone."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, request: GroupRequest) -> None:
        try:
            done: bool | None = await self._change(request.session_id, request.group, request.member)
        except StoreUnavailableError:
            done = None
        except Exception:
            log.exception("a group of session %s cannot be changed for node %s", request.session_id, request.node)
            done = None
        try:
            await self._publish(request.node, answer_payload(GroupAnswer(request.number, done)))
        except StoreUnavailableError as error:
            log.debug("node %s gets no answer: %s", request.node, error.hint)

    async def _publish(self, node: str, payload: bytes) -> None:
        await self._pipeline.command("PUBLISH", self._names.node_channel + node, payload, repeat=False)
