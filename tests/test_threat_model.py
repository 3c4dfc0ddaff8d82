"""What the threat model names is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODEL = ROOT / "docs" / "threat-model.md"
PAGES = [MODEL, ROOT / ".github" / "SECURITY.md"]
NAMED = sorted({*re.findall(r"`((?:\w+/)*test_\w+\.py)`", MODEL.read_text())})


@pytest.mark.parametrize("name", NAMED)
def test_a_test_that_proves_something_is_there(name: str) -> None:
    assert (ROOT / "tests" / name).is_file()


def test_every_threat_has_a_test() -> None:
    threats = MODEL.read_text().partition("## Threats")[2].partition("\n## ")[0]
    rows = [line for line in threats.splitlines() if line.startswith("| ")]
    claims = [row for row in rows if not row.startswith("| attack ")]
    assert len(claims) > 25
    assert [row for row in claims if "test_" not in row.split(" | ")[-1]] == []


def anchors(page: Path) -> set[str]:
    """Headings as GitHub makes anchors of them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text()):
        if target.startswith("https://"):
            continue
        name, _, anchor = target.partition("#")
        linked = (page.parent / name).resolve() if name else page
        assert linked.exists(), target
        assert not anchor or anchor in anchors(linked), target
