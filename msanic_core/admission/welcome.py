"""What a client is told first."""

from msanic_core.config.sections import WebSocketSettings
from msanic_core.identity import SessionInfo
from msanic_core.wire import Push


def welcome(ws: WebSocketSettings, session: SessionInfo, epoch: str) -> Push:
    """Make what a session is told first, and again when its inbox has a new epoch."""
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
