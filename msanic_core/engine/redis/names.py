"""What keys and channels are called. All keys of one user, of one group, of all nodes lie in one slot of a cluster.

How long each lives; what has no end here is gone when it is empty.

| key                           | what                                    | until                                     |
| ----------------------------- | --------------------------------------- | ----------------------------------------- |
| `{nodes}:beats`               | last sign of life of each owner         | the node stops, or is condemned           |
| `{nodes}:dead`                | who has condemned whom                  | the last session was taken over           |
| `{nodes}:epoch`               | what tells this store from an empty one | the store is emptied                      |
| `{held:OWNER}`                | sessions and jobs an owner answers for  | each is done, or was taken over           |
| `{u:USER}:sessions`           | records of open sessions                | each is lost, or was taken over           |
| `{u:USER}:groups:SESSION`     | the groups it is in                     | it is lost                                |
| `{u:USER}:job:SESSION`        | plugins that have yet to be told        | all were told                             |
| `{u:USER}:taken:SESSION`      | it was taken over from a dead node      | an hour                                   |
| `{u:USER}:meta`, `:inbox`     | positions; messages                     | 2 x `max_age` after the last push or read |
| `{u:USER}:keys`               | the last 1,000 keys given by callers    | `max_age` after the last one              |
| `{u:USER}:sent`               | the last 1,000 keys of calls' own       | a minute after the last one               |
| `{u:USER}:handshake`          | time of the last handshake              | for ever: an old one must stay refused    |
| `{g:GROUP}:members`, `:nodes` | sessions in it; how many each node has  | each has left                             |
"""

_RESERVED = str.maketrans({character: f"%{ord(character):02X}" for character in "%{}:*\r\n\0"})


def escape(name: str) -> str:
    """A user id, group or other name as a part of a key: what means something in keys and records is encoded."""
    return name.translate(_RESERVED)


class Names:
    """The keys and channels below one prefix; channels also carry the number of the database, which they ignore."""

    def __init__(self, prefix: str, database: int) -> None:
        self._prefix = prefix
        self.beats = f"{prefix}:{{nodes}}:beats"
        self.dead = f"{prefix}:{{nodes}}:dead"
        self.epoch = f"{prefix}:{{nodes}}:epoch"
        self.node_channel = f"{prefix}:{database}:node:"
        """What a node's channel begins with; then comes the node."""
        self.everybody = f"{prefix}:{database}:everybody"
        """The channel that all nodes subscribe to."""

    def of_user(self, user: str, what: str) -> str:
        """A key of a user: `sessions`, `meta`, `inbox`, `keys`, `sent`, `handshake`."""
        return f"{self._prefix}:{{u:{escape(user)}}}:{what}"

    def job(self, user: str, session_id: str) -> str:
        """The offline job of a session."""
        return self.of_user(user, f"job:{session_id}")

    def taken(self, user: str, session_id: str) -> str:
        """The mark of a session that was taken over from a dead node."""
        return self.of_user(user, f"taken:{session_id}")

    def groups_of(self, user: str, session_id: str) -> str:
        """The groups that a session is in."""
        return self.of_user(user, f"groups:{session_id}")

    def of_group(self, group: str, what: str) -> str:
        """A key of a group: `members`, `nodes`."""
        return f"{self._prefix}:{{g:{escape(group)}}}:{what}"

    def held(self, owner: str) -> str:
        """What an owner answers for: sessions and offline jobs."""
        return f"{self._prefix}:{{held:{owner}}}"

    def lock(self, name: str) -> str:
        """A lock."""
        return f"{self._prefix}:{{lock:{escape(name)}}}"

    def beside_lock(self, name: str, what: str) -> str:
        """What is known beside who holds a lock: `fence`, `waiting`."""
        return f"{self.lock(name)}:{what}"
