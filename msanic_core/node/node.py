"""The composition root: makes every part of a running server and passes it to the parts that need it."""

import asyncio
import itertools
import os
import socket
import uuid
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING

from sanic import Sanic
from sanic.config import Config

from msanic_core.admission.admission import Admission, SessionParts
from msanic_core.admission.limits import ConnectionLimits
from msanic_core.admission.login import Login
from msanic_core.admission.registration import Registration
from msanic_core.admission.welcome import welcome
from msanic_core.commands.map import CommandMap
from msanic_core.config.sections import Settings
from msanic_core.context import Server
from msanic_core.db.database import Database
from msanic_core.db.outbox.transaction import TransactionOutbox
from msanic_core.dispatch.core_commands import system_commands
from msanic_core.dispatch.dispatcher import Dispatcher
from msanic_core.dispatch.runner import Runner
from msanic_core.engine.base import Engine, InboxLimits
from msanic_core.engine.memory.memory_engine import MemoryEngine
from msanic_core.http.endpoint import Endpoints
from msanic_core.http.health import health_routes
from msanic_core.http.mounting import ERROR_FORMAT, mount, prepare
from msanic_core.plugins import calling
from msanic_core.plugins.loading import load_plugins
from msanic_core.plugins.plugin import PluginSet
from msanic_core.session.delivery import LocalDelivery
from msanic_core.session.heartbeat import Heartbeat, HeartbeatLimits
from msanic_core.session.membership import Membership
from msanic_core.session.offline import OfflineChain, OfflineLimits
from msanic_core.session.outbox import Flusher
from msanic_core.session.registry import Registry
from msanic_core.session.replay import Replay
from msanic_core.transport.intake import Intake
from msanic_core.transport.upgrade import websocket_handler
from msanic_core.wire import Codecs

if TYPE_CHECKING:
    from msanic_core.db.outbox.relay import Relay

_app_numbers = itertools.count(1)


class Node:
    """One server process. Make it inside a running event loop; `RunningNode.start` starts it.

    Raises `PluginError` if the plugins cannot run together.
    """

    def __init__(self, settings: Settings, plugins: PluginSet) -> None:
        plugins.check()
        loop = asyncio.get_running_loop()
        ws = settings.ws
        codecs = Codecs(max_containers=ws.max_containers, max_depth=ws.max_depth, json_frames=ws.json_frames)
        self.settings = settings
        self.plugins = plugins
        self.id = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:6]}"
        self.db = Database(settings.db.url, plugins.apps)
        # Enter the database first: some parts below copy the current contextvars when they are created, and later run
        # plugin code in that copy.
        self.db.enter()
        self.registry = Registry()
        self.engine = _make_engine(settings)
        membership = Membership(self.registry, self.engine)
        by_name = {plugin.name: plugin for plugin in plugins.plugins}
        self.relay = _make_relay(settings, self.engine, self.db)
        outbox = TransactionOutbox(settings.inbox.max_bytes, None if self.relay is None else self.relay.added)
        self.server = Server(self.id, self.engine, membership, self.db, outbox, by_name, calling.caller(plugins))
        self.offline = OfflineChain(
            self.registry,
            self.engine,
            calling.offline_hooks(plugins, self.server),
            OfflineLimits(settings.offline.yield_after, settings.offline.cancel_after),
        )
        replay = Replay(self.engine, self.offline, partial(welcome, settings.ws))
        self.delivery = LocalDelivery(self.registry, self.offline, replay, membership)
        self.runner = Runner(loop)
        own_commands = [("the core", each) for each in system_commands(self.registry, self.engine, replay)]
        self.commands = CommandMap.build([*own_commands, *plugins.commands], codecs)
        self.dispatcher = Dispatcher(self.server, self.commands, codecs, self.engine, self.runner)
        self.heartbeat = Heartbeat(
            self.registry,
            self.engine,
            self.offline,
            HeartbeatLimits(ws.ping_interval, ws.ping_timeout, ws.outbox_stall),
        )
        login = Login(settings, self.server, self.engine, plugins.implementations("authenticate"))
        self._endpoints = Endpoints(login.require, codecs.msgpack)
        flusher = Flusher(loop)
        self._intake = Intake(loop, flusher)
        announce = calling.announcer(plugins, self.server, settings.offline.cancel_after)
        self.admission = Admission(
            ws,
            login,
            ConnectionLimits(ws, self.registry, self.offline),
            Registration(ws, self.engine, self.registry, self.offline, replay, announce, flusher),
            SessionParts(self.id, codecs, self.dispatcher, self.offline, self._intake),
        )
        self.app = self._build_app()

    def _build_app(self) -> "Sanic[Config, SimpleNamespace]":
        app = Sanic(f"msanic_core_{next(_app_numbers)}", config=_sanic_config(self.settings), configure_logging=False)
        app.ctx.msanic = self.server
        app.ctx.read_buffer = self._intake.buffer
        admission = self.admission
        # As a stream: otherwise Sanic waits for the body, and with an upgrade request it would wait for ever.
        app.add_route(
            websocket_handler(admission),
            self.settings.ws.path,
            name="websocket",
            stream=True,
            error_format=ERROR_FORMAT,
        )
        app.blueprint(health_routes(self.engine, lambda: admission.accepting))
        http = self.settings.http
        prepare(app, http)
        mount(app, self.plugins.implementations("http_blueprint"), self.server, self._endpoints, http)
        return app


def make_node(settings: Settings) -> Node:
    """Load the installed plugins and make the node that serves them. Raises `PluginError`."""
    return Node(settings, load_plugins(settings))


def _make_engine(settings: Settings) -> Engine:
    inbox, redis = settings.inbox, settings.redis
    limits = InboxLimits(inbox.max_messages, inbox.max_bytes, inbox.max_age)
    if not redis.url:
        return MemoryEngine(limits)
    # The import of redis is slow, and a server without it does not need it.
    from msanic_core.engine.redis.redis_engine import RedisEngine, RedisOptions

    return RedisEngine(RedisOptions(redis.url, redis.prefix, redis.lease, redis.timeout, redis.patience), limits)


def _make_relay(settings: Settings, engine: Engine, db: Database) -> "Relay | None":
    if not db.apps:
        return None
    # The import of Tortoise is slow, and a server without models does not need it.
    from msanic_core.db.outbox.relay import Relay

    return Relay(engine, db, settings.db.outbox_interval)


def _sanic_config(settings: Settings) -> Config:
    config = Config(env_prefix=None)
    config.update(
        {
            # The access log would show query strings, which may have tokens.
            "ACCESS_LOG": False,
            "AUTO_EXTEND": False,
            "MOTD": False,
            "HEAD_TIMEOUT": settings.http.head_timeout,
            "REQUEST_MAX_SIZE": settings.http.max_body,
            "PROXIES_COUNT": settings.server.proxies or None,
        }
    )
    return config
