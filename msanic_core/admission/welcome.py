"""The first message to a client, `sys.welcome`."""

from msanic_core.config.sections import WebSocketSettings
from msanic_core.identity import SessionInfo
from msanic_core.wire import Push


def welcome(ws: WebSocketSettings, session: SessionInfo, epoch: str) -> Push:
    """Make `sys.welcome`. A session gets it first, and again when its inbox has a new epoch."""
    return Push(
        "sys.welcome",
        {
            "session": session.id,
            "user": session.user,
            "node": session.node,
            "epoch": epoch,
            "max_message": ws.max_message,
            "ping_interval": ws.ping_interval,
            "ping_timeout": ws.ping_timeout,
        },
    )
