"""The flags of all verbs that read settings."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from msanic_core.config.load import Origins
    from msanic_core.config.sections import Settings
    from msanic_core.plugins.plugin import PluginSet

_FLAGS = {
    "--host": ("server.host", "address to listen on"),
    "--port": ("server.port", "port to listen on, 0 for a free one"),
    "--db": ("db.url", "database URL"),
    "--redis": ("redis.url", "Redis URL"),
    "--auth": ("auth.mode", '"plugin" or "anonymous"'),
}


class _Override(argparse.Action):
    """Collects (key, flag, value) in the order of the command line. The last value for a key counts."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,  # noqa: ARG002 - argparse's signature
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        if self.nargs == 0:
            values = "true"
        key, separator, value = (self.const, "=", values) if self.const else str(values).partition("=")
        if not separator or not key:
            raise argparse.ArgumentError(self, f"expected KEY=VALUE, as ws.rate=500, not {values!r}")
        flag = option_string if self.const else f"{option_string} {key}"
        setattr(namespace, self.dest, (*getattr(namespace, self.dest), (key, flag, value)))


def add_settings_arguments(parser: argparse.ArgumentParser, *, workers: bool = False) -> None:
    """Add `--config`, the flags for single settings and `--set`. `workers`: also the flags of the verb `serve`."""
    group = parser.add_argument_group("settings (before the environment, before the file)")
    group.add_argument("--config", type=Path, metavar="FILE", help="settings file (default: ./msanic.toml, if any)")
    flags = {**_FLAGS, "--workers": ("server.workers", "number of worker processes")} if workers else _FLAGS
    for flag, (key, text) in flags.items():
        name = flag.removeprefix("--").upper()
        group.add_argument(flag, action=_Override, dest="overrides", const=key, default=(), metavar=name, help=text)
    if workers:
        group.add_argument(
            "--migrate", action=_Override, nargs=0, dest="overrides", const="db.migrate", default=(),
            help="apply migrations that are missing",
        )  # fmt: skip
    group.add_argument(
        "--set", action=_Override, dest="overrides", default=(), metavar="KEY=VALUE", help="any setting, repeatable"
    )


def read_settings(arguments: argparse.Namespace) -> tuple[Settings, Origins]:
    """Load the settings from the command line, the environment and the file. Raises `ConfigError`."""
    from msanic_core.config import load_settings

    return load_settings(
        arguments.config,
        os.environ,
        {key: value for key, _, value in arguments.overrides},
        flags={key: flag for key, flag, _ in arguments.overrides},
    )


def read_plugins(arguments: argparse.Namespace) -> PluginSet:
    """Load the plugins that the settings select, broken ones included. Raises `ConfigError`."""
    from msanic_core.plugins.loading import load_plugins

    return load_plugins(read_settings(arguments)[0])
