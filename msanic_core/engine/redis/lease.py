"""The beats of this node, and the owners that no longer beat; the README has the states of a lease.

A lease is not a key that expires: Redis's clock goes on while no node can renew anything. Each owner raises a number in
the store and reads the numbers of the others. A node condemns an owner whose number has not changed for a whole lease,
if the node itself could read all that time. The next beat of a condemned owner is refused.
"""

import asyncio
import logging
import uuid
from collections.abc import Callable, Mapping, Sequence

from msanic_core.engine.redis import scripts
from msanic_core.engine.redis.names import Names
from msanic_core.engine.redis.pipeline import Pipeline
from msanic_core.errors import StoreUnavailableError

log = logging.getLogger("msanic_core.redis")

BEATS_PER_LEASE = 5


class Silence:
    """How long others have been silent, by this process's own clock."""

    def __init__(self, lease: float) -> None:
        self._lease = lease
        self._seen: dict[str, tuple[str, float]] = {}
        self._looked_at: float | None = None

    def look(self, beats: Mapping[str, str], now: float) -> dict[str, str]:
        """Note the others' beats at a time in seconds; returns those that have not changed for a lease."""
        if self._looked_at is None or now - self._looked_at > self._lease / 2:
            # This node did not look for too long: it cannot know who was silent meanwhile.
            self._seen.clear()
        self._looked_at = now
        for owner, beat in beats.items():
            if owner not in self._seen or self._seen[owner][0] != beat:
                self._seen[owner] = (beat, now)
        for owner in self._seen.keys() - beats.keys():
            del self._seen[owner]
        return {owner: beat for owner, (beat, since) in self._seen.items() if now - since >= self._lease}


class Lease:
    """One node's lease. `owner` is the node's name in the store. It changes each time the node is condemned.

    `on_dead` is called with each owner that this node condemns, `on_condemned` with this node's former name after it
    was condemned itself, `on_new_store` when the store was emptied or replaced. `count`: how many sessions it has.
    """

    def __init__(
        self,
        node: str,
        names: Names,
        pipeline: Pipeline,
        seconds: float,
        on_dead: Callable[[str], None],
        on_condemned: Callable[[str], None],
        on_new_store: Callable[[], None],
        count: Callable[[], int],
    ) -> None:
        self._node = node
        self._names = names
        self._pipeline = pipeline
        self._seconds = seconds
        self._on_dead = on_dead
        self._on_condemned = on_condemned
        self._on_new_store = on_new_store
        self._count = count
        self._loop = asyncio.get_running_loop()
        self._silence = Silence(seconds)
        self._incarnation = 1
        self._beat = 0
        self._given = ""
        self._valid_until = 0.0
        self._beating = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self.epoch = ""
        self.dead: frozenset[str] = frozenset()
        """Owners that are condemned or about to be: a user whose sessions they all hold counts as offline."""
        self.nodes = 1
        """How many nodes are alive."""
        self.sessions_elsewhere = 0
        """How many sessions the other living nodes have, as of their last beats."""

    @property
    def owner(self) -> str:
        """The name of this node in the store."""
        return f"{self._node}.{self._incarnation}"

    @property
    def fresh(self) -> bool:
        """Whether no other node can have condemned this one yet."""
        return self._loop.time() < self._valid_until

    async def start(self) -> None:
        """Beat now, and regularly from then on. Raises `StoreUnavailableError`."""
        await self.beat()
        self._task = self._loop.create_task(self._run())

    async def stop(self, *, clean: bool) -> None:
        """End the lease. `clean`: this node holds nothing. Otherwise others shall take over at once."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
        try:
            if clean:
                await self._pipeline.command("HDEL", self._names.beats, self.owner)
            else:
                await self._condemn(self.owner, self._given, "itself")
        except StoreUnavailableError as error:
            log.warning("the others will notice only after a lease that this node has ended: %s", error.hint)

    async def confirm(self, *, wait: bool = False) -> None:
        """Beat if this node may have been condemned. Then `owner` is not condemned. See `beat`."""
        if not self.fresh:
            await self.beat(wait=wait, again=False)

    async def beat(self, *, wait: bool = False, again: bool = True) -> None:
        """Beat, and look at the others. Raises `StoreUnavailableError`.

        `wait`: wait for a store that is away, for as long as it takes. `again`: also if another call has beaten while
        this one waited for its turn.
        """
        async with self._beating:
            if not again and self.fresh:
                return
            while True:
                began = self._loop.time()
                self._beat += 1
                self._given = f"{self._beat} {self._count()}"
                keys = (self._names.beats, self._names.dead, self._names.epoch)
                epoch, alive, beats, dead = await self._pipeline.run(
                    scripts.BEAT, keys, self.owner, self._given, self.epoch, uuid.uuid4().hex, wait=wait
                )
                if alive == b"1":
                    break
                # The store does not know the new name yet: beat before this node holds anything under it.
                self._renew()
            self._valid_until = began + self._seconds
            self._note_epoch(epoch.decode())
        await self._judge(_pairs(beats), _pairs(dead))

    def _note_epoch(self, epoch: str) -> None:
        known, self.epoch = self.epoch, epoch
        if known not in ("", epoch):
            log.warning("the store was emptied, or is another one: its epoch is %s, it was %s", epoch, known)
            self._on_new_store()

    def _renew(self) -> None:
        """Another node has condemned this one: go on under another name, and hold nothing."""
        condemned = self.owner
        self._incarnation += 1
        self.epoch = ""
        log.error("this node gave no sign of life for %g s and was taken for dead: it closes all its sessions",
                  self._seconds)  # fmt: skip
        self._on_condemned(condemned)

    async def _judge(self, beats: Mapping[str, str], dead: Mapping[str, str]) -> None:
        others = {owner: beat for owner, beat in beats.items() if owner != self.owner}
        silent = self._silence.look(others, self._loop.time())
        # The owner that condemned these has died too: this node takes over from them.
        left = {owner: by for owner, by in dead.items() if by != self.owner and by not in beats}
        self.dead = frozenset((*silent, *dead))
        self.nodes = len(beats) - len(silent)
        self.sessions_elsewhere = sum(int(beat.split()[1]) for owner, beat in others.items() if owner not in silent)
        for owner, seen in (*silent.items(), *left.items()):
            if await self._condemn(owner, seen, self.owner):
                self._on_dead(owner)

    async def _condemn(self, owner: str, seen: str, by: str) -> bool:
        keys = (self._names.beats, self._names.dead)
        return bool(await self._pipeline.run(scripts.CONDEMN, keys, owner, seen, by))

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._seconds / BEATS_PER_LEASE)
            try:
                await self.beat()
            except StoreUnavailableError as error:
                log.debug("no sign of life: %s", error.hint)


def _pairs(answer: Sequence[bytes]) -> dict[str, str]:
    """Read a hash that a script has returned."""
    return {answer[index].decode(): answer[index + 1].decode() for index in range(0, len(answer), 2)}
