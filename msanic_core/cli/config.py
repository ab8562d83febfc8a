"""Show every setting with its value and the source of that value. Secrets are shown as ***."""

import argparse

from msanic_core.cli import options, output

SUMMARY = "show the settings in force and where they come from"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of this verb."""
    options.add_settings_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Print the settings."""
    settings, origins = options.read_settings(arguments)

    from msanic_core.config.load import flat
    from msanic_core.config.text import masked

    shown = {key: masked(key, value) for key, value in flat(settings).items()}
    if arguments.json:
        document = {key: {"value": value, "origin": origins[key]} for key, value in shown.items()}
        print(output.json_text(document, indent=2))
    else:
        rows = [(key, output.json_text(value), origins[key]) for key, value in shown.items()]
        print(output.table(("key", "value", "from"), rows))
    return 0
