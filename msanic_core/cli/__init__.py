"""The command `msanic-core`: one file per verb.

A verb is a module with `SUMMARY`, `add_arguments(parser)` and `run(arguments) -> exit code`. Its `run` imports what it
needs beyond the standard library, so that `--help` and usage errors come at once. Read this file, then `serve`, then
any verb; `options` has the flags that several verbs share, `output` what they print. Only `main` may be imported: by
`msanic_core.__main__` and by the installed command.
"""

import argparse
import gc
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from types import ModuleType

from msanic_core.cli import output
from msanic_core.errors import MsanicError, StoreUnavailableError

VERBS = ("serve", "plugins", "commands", "config", "call", "db", "version")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line `argv` (None: the process's own) and return the exit code.

    0: done. 2: the command line, a setting or a plugin is wrong. 75: Redis or the database is unavailable; trying again
    can help. 130: interrupted. The verbs document further codes.
    """
    # Imports and set-up create many objects and no garbage. A server enables the collector again once it runs.
    gc.disable()
    try:
        return _run(sys.argv[1:] if argv is None else argv)
    finally:
        gc.enable()


def _run(argv: Sequence[str]) -> int:
    parser = _parser(argv)
    try:
        arguments = parser.parse_args(argv)
        if arguments.version:
            arguments.run = _verb("version").run
        if arguments.run is None:
            parser.error(f"a verb is needed: {', '.join(VERBS)}")
    except SystemExit as exit_:  # argparse has said what is wrong, or has printed the help
        return exit_.code if isinstance(exit_.code, int) else 0
    try:
        code: int = arguments.run(arguments)
    except StoreUnavailableError as error:
        output.error(str(error))
        return os.EX_TEMPFAIL
    except (MsanicError, output.UsageError) as error:
        output.error(str(error))
        return 2
    except KeyboardInterrupt:
        return 130
    return code


def _parser(argv: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="msanic-core",
        description="A server for realtime applications that are made of plugins.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="store_true", help="show versions")
    parser.set_defaults(run=None)
    verbs = parser.add_subparsers(title="verbs", metavar="VERB")
    # If the command line begins with a verb, only that verb's module is imported.
    for name in argv[:1] if argv and argv[0] in VERBS else VERBS:
        verb = _verb(name)
        child = verbs.add_parser(name, help=verb.SUMMARY, description=verb.__doc__, allow_abbrev=False)
        verb.add_arguments(child)
        child.set_defaults(run=verb.run)
    return parser


def _verb(name: str) -> ModuleType:
    return import_module(f"{__name__}.{name}")
