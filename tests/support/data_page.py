"""The models and commands that docs/data.md shows, as a module."""

import re
from pathlib import Path

SECTION = (
    (Path(__file__).parent.parent.parent / "docs/data.md")
    .read_text()
    .split("## The base models\n", 1)[1]
    .split("\n## ", 1)[0]
)
_IMPORTS = """\
import msgspec
from tortoise.expressions import F
from msanic_core import Context, command
from msanic_core.db import Page, PageAfter, page, page_after
"""
*_DEFINITIONS, UPSERTS = re.findall(r"```python\n(.*?)```", SECTION, re.DOTALL)
"""The last block is for the inside of a coroutine."""
MODULE = "\n".join([_IMPORTS, *_DEFINITIONS])
