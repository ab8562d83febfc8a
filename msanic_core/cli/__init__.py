"""The command `msanic-core`: one file per verb.

A verb is a module with `NAME`, `SUMMARY`, `add_arguments(parser)` and `run(arguments) -> exit code`. What a verb needs
beyond the standard library is imported by its `run`, so that `--help` and usage errors come at once.
"""

import argparse
import gc
from collections.abc import Sequence

from msanic_core.cli import call, commands, config, output, plugins, serve, version
from msanic_core.errors import MsanicError

VERBS = (serve, plugins, commands, config, call, version)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line `argv` (None: that of the process) and give the exit code.

    0: done. 2: the command line, a setting or a plugin is wrong. 130: interrupted. Others are said by the verbs.
    """
    # What is imported and set up makes many objects, none of them garbage; a server has it back when it is up.
    gc.disable()
    try:
        return _run(argv)
    finally:
        gc.enable()


def _run(argv: Sequence[str] | None) -> int:
    parser = _parser()
    try:
        arguments = parser.parse_args(argv)
        if arguments.version:
            return version.run(arguments)
        if arguments.run is None:
            parser.error(f"a verb is needed: {', '.join(verb.NAME for verb in VERBS)}")
    except SystemExit as exit_:  # argparse has said what is wrong, or has printed the help
        return exit_.code if isinstance(exit_.code, int) else 0
    try:
        code: int = arguments.run(arguments)
    except (MsanicError, output.UsageError) as error:
        output.error(str(error))
        return 2
    except KeyboardInterrupt:
        return 130
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="msanic-core",
        description="A server for realtime applications that are made of plugins.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="store_true", help=version.SUMMARY)
    parser.set_defaults(run=None)
    verbs = parser.add_subparsers(title="verbs", metavar="VERB")
    for verb in VERBS:
        child = verbs.add_parser(verb.NAME, help=verb.SUMMARY, description=verb.__doc__, allow_abbrev=False)
        verb.add_arguments(child)
        child.set_defaults(run=verb.run)
    return parser
