"""List the installed plugins, what each contains, and why a broken one cannot be used."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from msanic_core.cli import options, output

if TYPE_CHECKING:
    from msanic_core.plugins.plugin import PluginSet

SUMMARY = "list the installed plugins"

NONE_INSTALLED = (
    "No plugin is installed. Install one into this environment with: pip install PACKAGE\n"
    "A package brings a plugin if it has an entry point in the group msanic_core."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of this verb."""
    options.add_settings_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Print the list. The exit code is 1 if the server would not start with these plugins."""
    found = options.read_plugins(arguments)
    print(output.json_text(as_document(found), indent=2) if arguments.json else as_text(found))
    return 1 if found.problems else 0


def as_document(found: PluginSet) -> dict[str, Any]:
    """Give the document that `--json` prints."""
    plugins = [
        {
            "name": plugin.name,
            "version": plugin.version,
            "package": plugin.package,
            "state": plugin.status,
            "hooks": plugin.hooks,
            "commands": [command.name for command in plugin.commands],
            "error": plugin.error,
        }
        for plugin in found.plugins
    ]
    return {"plugins": plugins, "problems": found.problems}


def as_text(found: PluginSet) -> str:
    """Give the table, and below it the problems."""
    rows = [
        (
            plugin.name,
            plugin.version,
            plugin.package,
            plugin.status,
            " ".join(plugin.hooks),
            " ".join(command.name for command in plugin.commands),
        )
        for plugin in found.plugins
    ]
    text = output.table(("name", "version", "package", "state", "hooks", "commands"), rows) if rows else NONE_INSTALLED
    if not found.problems:
        return text
    problems = [f"- {output.one_line(problem)}" for problem in found.problems]
    return "\n".join([text, "", "The server does not start with these problems:", *problems])
