"""The output of verbs: results on stdout, everything else on stderr."""

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any


class UsageError(Exception):
    """An argument is wrong in a way that argparse cannot detect. The user sees the text; the exit code is 2."""


def error(message: str) -> None:
    """Print one line on stderr."""
    print(f"msanic-core: error: {one_line(message)}", file=sys.stderr)


def one_line(text: str) -> str:
    """Replace line breaks and runs of spaces by single spaces."""
    return " ".join(text.split())


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Lay out rows in columns as wide as their widest cell, under headings in capitals."""
    lines = [[heading.upper() for heading in headings], *([one_line(cell) or "-" for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def json_text(value: Any, *, indent: int | None = None) -> str:
    """Give `value` as JSON. Letters are escaped only if stdout cannot show them; unknown types become text."""
    text = json.dumps(value, ensure_ascii=False, default=str, indent=indent)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        return json.dumps(value, default=str, indent=indent)
    return text
