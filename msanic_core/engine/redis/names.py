"""The names of keys and channels. What each holds is in the README.

A script may use only keys of one slot of a cluster. All keys of one user, group or lock have one hash tag and so one
slot, and so have the keys about nodes.
"""

_RESERVED = str.maketrans({character: f"%{ord(character):02X}" for character in "%{}:*\r\n\0"})


def escape(name: str) -> str:
    """A name as a part of a key or record: characters that have a meaning there are percent-encoded."""
    return name.translate(_RESERVED)


class Names:
    """The keys and channels below one prefix.

    Channels carry the number of the database too, because Redis delivers a message to the subscribers of all databases.
    """

    def __init__(self, prefix: str, database: int) -> None:
        self._prefix = prefix
        self.beats = f"{prefix}:{{nodes}}:beats"
        self.dead = f"{prefix}:{{nodes}}:dead"
        self.epoch = f"{prefix}:{{nodes}}:epoch"
        self.node_channel = f"{prefix}:{database}:node:"
        """The prefix of the nodes' channels; the node's name follows."""
        self.everybody = f"{prefix}:{database}:everybody"
        """The channel that all nodes subscribe to."""

    def held(self, owner: str) -> str:
        """The list of an owner: its sessions and offline jobs."""
        return f"{self._prefix}:{{held:{owner}}}"

    def sessions(self, user: str) -> str:
        """The records of a user's sessions."""
        return self._of_user(user, "sessions")

    def groups_of(self, user: str, session_id: str) -> str:
        """The groups that a session is in."""
        return self._of_user(user, f"groups:{session_id}")

    def job(self, user: str, session_id: str) -> str:
        """The offline job of a session."""
        return self._of_user(user, f"job:{session_id}")

    def taken(self, user: str, session_id: str) -> str:
        """The mark of a session that was claimed from a dead owner."""
        return self._of_user(user, f"taken:{session_id}")

    def meta(self, user: str) -> str:
        """The ids and positions of a user's inbox."""
        return self._of_user(user, "meta")

    def inbox(self, user: str) -> str:
        """The messages of a user's inbox."""
        return self._of_user(user, "inbox")

    def keys(self, user: str) -> str:
        """The keys of stored messages that callers of `Engine.push` gave."""
        return self._of_user(user, "keys")

    def sent(self, user: str) -> str:
        """The keys of stored messages that this engine gave, for its own repeated calls."""
        return self._of_user(user, "sent")

    def handshake(self, user: str) -> str:
        """The time of a user's last handshake."""
        return self._of_user(user, "handshake")

    def members(self, group: str) -> str:
        """The sessions in a group."""
        return f"{self._prefix}:{{g:{escape(group)}}}:members"

    def nodes(self, group: str) -> str:
        """How many sessions of a group each node has."""
        return f"{self._prefix}:{{g:{escape(group)}}}:nodes"

    def lock(self, name: str) -> str:
        """Who holds a lock."""
        return f"{self._prefix}:{{lock:{escape(name)}}}"

    def fence(self, name: str) -> str:
        """The number of the last holder of a lock."""
        return f"{self.lock(name)}:fence"

    def waiting(self, name: str) -> str:
        """The nodes that wait for a lock."""
        return f"{self.lock(name)}:waiting"

    def _of_user(self, user: str, what: str) -> str:
        return f"{self._prefix}:{{u:{escape(user)}}}:{what}"
