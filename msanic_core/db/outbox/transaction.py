"""Messages that are sent only if a transaction commits: it writes them as rows, which the relay delivers."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING

from msanic_core.errors import ConfigError
from msanic_core.wire import Push, WireEncodeError
from msanic_core.wire.packed import pack_push

if TYPE_CHECKING:
    from tortoise.backends.base.client import BaseDBAsyncClient


class TransactionOutbox:
    """Writes messages in transactions."""

    def __init__(self, max_bytes: int, added: Callable[[], None] | None) -> None:
        """`max_bytes`: the largest packed message that an inbox takes.

        `added` is called for each row; None: there is no table, as no plugin has models.
        """
        self._max_bytes = max_bytes
        self._added = added

    async def add(self, connection: BaseDBAsyncClient, user: str, push: Push, key: str | None) -> None:
        """Write a message as part of the connection's transaction. See `Server.push`."""
        if self._added is None:
            raise ConfigError(
                "push(using=...) needs the table of the outbox, which is there if a plugin has models: implement the "
                "hook db_models, then run msanic-core db migrate"
            )
        packed = pack_push(push)
        if len(packed) > self._max_bytes:
            raise WireEncodeError(
                f"message {push.cmd!r} has {len(packed)} bytes, an inbox holds {self._max_bytes}; send less, or raise "
                f"[inbox] max_bytes"
            )
        # Not at the top: a server without models must not spend the time that importing Tortoise takes.
        from msanic_core.db.outbox.models import OutboxMessage

        # Not the row's id: inboxes remember keys, and a new database gives the same ids again.
        await OutboxMessage.create(
            user=user, message=packed, key=uuid.uuid4().hex if key is None else key, using_db=connection
        )
        self._added()
