"""Limits of the connections of a worker, in total and for each address. Connections in their login count too."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from msanic_core.admission.login import Refusal
from msanic_core.codes import CloseCode
from msanic_core.config.sections import WebSocketSettings
from msanic_core.session.offline import OfflineChain
from msanic_core.session.registry import Registry


class ConnectionLimits:
    """`[ws] max_connections` and `max_connections_per_address`."""

    def __init__(self, ws: WebSocketSettings, registry: Registry, offline: OfflineChain) -> None:
        self._ws = ws
        self._registry = registry
        self._offline = offline
        self._logging_in: Counter[str] = Counter()

    @contextmanager
    def logging_in(self, address: str) -> Iterator[None]:
        """Count a connection while its login runs. Afterwards it is in the registry, or refused."""
        self._logging_in[address] += 1
        try:
            yield
        finally:
            self._logging_in[address] -= 1
            if not self._logging_in[address]:
                del self._logging_in[address]

    def check(self, address: str) -> Refusal | None:
        """Return why a connection is refused, or None. Call it inside `logging_in`, which counts the connection."""
        # Lost sessions that wait for the store count too, or clients that reconnect meanwhile would pile up here.
        in_all = len(self._registry) + self._logging_in.total() + self._offline.leaving
        if in_all > self._ws.max_connections:
            return Refusal.of(CloseCode.TRY_LATER)
        if self._registry.at_address(address) + self._logging_in[address] > self._ws.max_connections_per_address:
            return Refusal(CloseCode.CONNECTION_LIMIT, "too many connections from this address")
        return None
