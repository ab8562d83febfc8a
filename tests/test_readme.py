"""What the README shows is what the examples hold."""

import re
from pathlib import Path

import pytest

from msanic_core.cli import main

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


@pytest.mark.parametrize(
    ("language", "path"),
    [("python", "examples/hello_plugin/msanic_hello.py"), ("toml", "examples/hello_plugin/pyproject.toml")],
)
def test_code_is_that_of_the_example(language: str, path: str) -> None:
    (block,) = re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)
    assert block == (ROOT / path).read_text()


def test_links_lead_somewhere() -> None:
    links = [link for document in [ROOT / "README.md", *ROOT.glob("docs/*.md")] for link in _links(document)]
    assert links
    assert not [str(link) for link in links if not link.exists()]


def test_verbs_exist(capsys: pytest.CaptureFixture[str]) -> None:
    documents = README + "".join(path.read_text() for path in ROOT.glob("docs/*.md"))
    verbs = set(re.findall(r"^ {4}(?:\.venv/bin/)?msanic-core (\w+)", documents, re.MULTILINE))
    assert {"serve", "call", "plugins"} <= verbs
    for verb in sorted(verbs):
        assert main([verb, "--help"]) == 0
        assert "usage" in capsys.readouterr().out


def _links(document: Path) -> list[Path]:
    targets = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text())
    return [document.parent / target for target in targets]
