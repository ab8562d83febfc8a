"""List the WebSocket commands of the plugins in use."""

import argparse
from typing import Any

from msanic_core.cli import options, output

SUMMARY = "list the WebSocket commands"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of this verb."""
    options.add_settings_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Print the list. The exit code is 1 if the list misses plugins that cannot be used."""
    found = options.read_plugins(arguments)
    commands = [
        {
            "name": command.name,
            "id": command.id,
            "plugin": plugin,
            "data": type_name(command.data_type),
            "summary": command.doc.partition("\n")[0],
        }
        for plugin, command in found.commands
    ]
    if arguments.json:
        print(output.json_text(commands, indent=2))
    elif commands:
        rows = [["" if value is None else str(value) for value in command.values()] for command in commands]
        print(output.table(tuple(commands[0]), rows))
    else:
        print("There are no commands: `msanic-core plugins` shows which plugins are in use.")
    for problem in found.problems:
        output.error(problem)
    return 1 if found.problems else 0


def type_name(data_type: Any) -> str | None:
    """Name the type of a command's data as its author wrote it; None if the command takes no data."""
    from msanic_core.commands.signature import NO_DATA

    if data_type is NO_DATA:
        return None
    if data_type is Any:
        return "any"
    # A generic alias such as list[int] also has a __name__, but only that of its origin.
    return data_type.__name__ if type(data_type) is type or hasattr(data_type, "__struct_fields__") else str(data_type)
