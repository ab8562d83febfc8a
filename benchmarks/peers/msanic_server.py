"""msanic: the package that msanic-core grew out of, with a command in its own map of handlers.

Its logs go to `logs/` in the working directory. `--redis-port` is where the Redis is that it cannot do without.
"""

import itertools
from typing import Any

from command_line import BACKLOG, HOST, arguments
from msanic.base_blue import BaseBlue
from msanic.base_conf import BaseConf
from msanic.base_server import InitServer
from msanic.base_ws import RdsWS, WsProtocol
from msanic.exception import CatchExpt
from msanic.handler_http import Urls
from msanic.handler_ws import WsHandler
from msanic.middleware import CorsMiddle
from sanic import Request, Websocket
from tortoise import Model, fields


class Visit(Model):
    """A model that nothing uses: msanic starts its ORM in any case, and that needs one."""

    id = fields.IntField(primary_key=True)


class Conf(BaseConf):
    """As its scaffold writes it, but for what is said."""

    SERVER_NAME = "bench"
    SERVER_ID = "B0001"
    # The default is `2 ^ 20`, which in Python is 22 bytes.
    WEBSOCKET_MAX_SIZE = 2**20
    CONF_DB = {"default": "sqlite://:memory:"}  # noqa: RUF012 - msanic's form

    @classmethod
    def db_conf(cls) -> dict[str, Any]:
        """The models are in this file."""
        return {"connections": cls.CONF_DB, "apps": {"bench": {"models": [__name__]}}}


class BenchHandler(WsHandler):
    """Commands of the type `bench`."""

    def __init__(self, conf: BaseConf, cmd_type: str) -> None:
        super().__init__(conf, cmd_type)
        self.CMD_FUN_MAP = {"echo": self.echo}

    async def echo(self, _: Any, data: dict[str, Any]) -> None:
        """Check the fields and answer with them."""
        text = self.vf_str(data.get("text"), require=True, p_name="text")
        number = self.vf_int(data.get("number"), require=True, p_name="number")
        self.sendmsg(data={"text": text, "number": number})


class BenchSocket(RdsWS):
    """The WebSocket. Each connection is a user of its own, as msanic keeps one connection of each."""

    CMD_MAP = {"bench": BenchHandler}  # noqa: RUF012 - msanic's form
    users = itertools.count(1)

    async def wsauth(self, req: Request, ws: Websocket) -> dict[str, Any]:  # noqa: ARG002 - msanic's signature
        """Everybody may connect."""
        return {"uid": f"guest-{next(self.users)}"}


class MainBp(BaseBlue):
    """Routes are mounted below `/bench`, the name of the server."""

    DEFAULT_APIS = [Urls("/ws", BenchSocket)]  # noqa: RUF012 - msanic's form


if __name__ == "__main__":
    options = arguments("--redis-port")
    # More connections to Redis than clients that connect at once: when it has none left, it closes the client's.
    Conf.CONF_RDS = {"default": {"host": HOST, "port": options.redis_port, "db": 0, "max_connections": 200}}
    conf = Conf()
    BenchSocket.conf = conf
    server = InitServer(conf, mws=[CorsMiddle], bps=[MainBp], excps=[CatchExpt])
    # Its own `run` cannot do without a manager process beside the worker; everything else is as it does it.
    server.main.run(
        host=HOST,
        port=options.port,
        backlog=BACKLOG,
        single_process=True,
        access_log=False,
        motd=False,
        protocol=WsProtocol,
    )
