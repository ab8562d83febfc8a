"""docs/from-msanic.md: its sections, and the code in them as a plugin, "shop", or as a program."""

import re
from pathlib import Path
from typing import Any

from tests.support.model_packages import import_package

DOCS = Path(__file__).parent.parent.parent / "docs"
PAGE = (DOCS / "from-msanic.md").read_text()
SECTIONS = {part.partition("\n")[0]: part for part in PAGE.split("\n## ")[1:]}
BLOCK = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)
COMMAND = re.compile(r"^    msanic-core (.*?)(?:  +#.*)?$", re.MULTILINE)


def blocks(heading: str, language: str) -> list[str]:
    """The code of a section that is written in a language."""
    return [code for name, code in BLOCK.findall(SECTIONS[heading]) if name == language]


def files(heading: str) -> list[tuple[str, str]]:
    """The blocks of a section whose first line is a comment with their path: path and source."""
    found = [re.match(r"# (\S+\.py)\n", code) for code in blocks(heading, "python")]
    return [(match[1], match.string) for match in found if match]


def program(heading: str) -> dict[str, Any]:
    """What the blocks of a section define that are no files."""
    namespace: dict[str, Any] = {"__name__": heading}
    for code in blocks(heading, "python"):
        if not code.startswith("# msanic_shop/"):
            exec(compile(code, f"docs/from-msanic.md, {heading}", "exec"), namespace)
    return namespace


def write(site: Path, *sources: tuple[str, str]) -> None:
    """Write files of the package `msanic_shop`, installed as the plugin shop."""
    for path, source in sources:
        (site / path).parent.mkdir(parents=True, exist_ok=True)
        (site / path).write_text(source)
    (site / "msanic_shop/__init__.py").touch()
    metadata = site / "msanic_shop-1.0.dist-info"
    metadata.mkdir(exist_ok=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: msanic-shop\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[msanic_core]\nshop = msanic_shop\n")


def plugin(site: Path, heading: str) -> Any:
    """The plugin that the files of a section make."""
    write(site, *files(heading))
    return import_package("msanic_shop")
