"""What CONTRIBUTING.md, SECURITY.md and the index of the documents name is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()


def test_the_index_has_every_document_once() -> None:
    listed = re.findall(r"^- \[(.+)\]\((.+)\): .+$", (ROOT / "docs/README.md").read_text(), re.MULTILINE)
    assert sorted(listed) == [(path.name,) * 2 for path in sorted(ROOT.glob("docs/*.md")) if path.name != "README.md"]


def test_make_has_the_targets() -> None:
    targets = set(re.findall(r"^(\S+):", (ROOT / "Makefile").read_text().replace("$(VENV)", ".venv"), re.MULTILINE))
    named = re.findall(r"(?:^ {4}|`)make\s([a-z./-]+)", CONTRIBUTING, re.MULTILINE)
    assert len(named) > 5
    assert not set(named) - targets


def test_the_paths_exist() -> None:
    named = re.findall(r"`((?:tests|msanic_core|plugins|\.ci)/[\w./-]*)`", CONTRIBUTING)
    named += re.findall(r"^ +\.venv/bin/pytest (\S+)", CONTRIBUTING, re.MULTILINE)
    assert len(named) > 8
    assert not [name for name in named if not (ROOT / name).exists()]


@pytest.mark.parametrize("document", ["CONTRIBUTING.md", "SECURITY.md", "docs/README.md"])
def test_links_lead_somewhere(document: str) -> None:
    path = ROOT / document
    links = re.findall(r"\]\(([^)#]+)", path.read_text())
    assert not [link for link in links if not (path.parent / link).exists()]


def test_the_plugins_have_the_licence_of_the_core() -> None:
    copies = list(ROOT.glob("plugins/*/LICENSE"))
    assert len(copies) == len(list(ROOT.glob("plugins/*")))
    assert {copy.read_text() for copy in copies} == {(ROOT / "LICENSE").read_text()}
