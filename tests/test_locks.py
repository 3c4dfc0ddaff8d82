"""What is installed is locked: every requirement by its version and hashes, from no place named."""

import re
import tomllib
from pathlib import Path

import pytest

import audit

ROOT = Path(__file__).parents[1]
LOCKS = {"requirements.lock": "dev", "audit.lock": "audit", "fuzz.lock": "fuzz"}
"""Each with the group of requirements that it locks."""
REQUIREMENT = re.compile(
    r"[a-z0-9][a-z0-9._-]*==[0-9][A-Za-z0-9.!+_-]*(?: ; [^\\]+)? \\\n"
    r"(?:    --hash=sha256:[0-9a-f]{64} \\\n)*"
    r"    --hash=sha256:[0-9a-f]{64}\n"
    r"(?:    #.*\n)*"
)
HOSTS = re.compile(
    r"index-url|find-links|trusted-host|file://|(?:^|[\s\"'=(])/(?:root|home|opt|tmp|Users)/\w"
)
"""Where packages come from is each machine's own affair."""
PINNED = re.compile(r"^\s*- uses: (\S+)@(\S+)(?: # (v[0-9.]+))?$", re.MULTILINE)


def files_of_installing() -> list[Path]:
    """All that says what is installed and run, and from where."""
    places = ["*.toml", "*.lock", "*.yaml", "Makefile", ".env.example", ".ci/*", ".github/**/*"]
    places += ["scripts/*", "fuzz/**/*.py", "bench/*.py", "soak/*.py"]
    found = {path for place in places for path in ROOT.glob(place) if path.is_file()}
    return sorted(path for path in found if path.name != "provider_config.yaml")


def names(lock: str) -> list[str]:
    return re.findall(r"^([a-z0-9][a-z0-9._-]*)==", (ROOT / lock).read_text(), re.MULTILINE)


@pytest.mark.parametrize("lock", LOCKS)
def test_every_requirement_has_one_version_and_its_hashes_and_nothing_else_is_there(
    lock: str,
) -> None:
    text = (ROOT / lock).read_text()
    assert REQUIREMENT.sub("", text) == ""
    assert names(lock)


def test_no_lock_is_forgotten() -> None:
    assert {path.name for path in ROOT.glob("*.lock")} == {*LOCKS} == {*audit.LOCKS}


@pytest.mark.parametrize(
    "line",
    [
        "aiohttp==3.14.2\n",
        "aiohttp>=3.14 \\\n    --hash=sha256:" + "0" * 64 + "\n",
        "aiohttp @ https://example.com/a.whl \\\n    --hash=sha256:" + "0" * 64 + "\n",
        "--extra-index-url https://example.com/simple\n",
        "-e .\n",
    ],
)
def test_anything_else_would_be_seen(line: str) -> None:
    assert REQUIREMENT.sub("", line) == line


@pytest.mark.parametrize(("lock", "group"), LOCKS.items())
def test_everything_that_is_asked_for_is_locked(lock: str, group: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = [*project["dependency-groups"][group]]
    wanted += project["project"]["dependencies"] if group == "dev" else []
    found = {re.sub(r"[-_.]+", "-", re.split(r"[\[<>=~! ;]", each)[0]).lower() for each in wanted}
    assert found <= {*names(lock)}


@pytest.mark.parametrize("script", ["setup", "setup-fuzz"])
def test_setup_installs_only_what_has_the_right_hash(script: str) -> None:
    assert "--require-hashes --requirement" in (ROOT / "scripts" / script).read_text()


def test_no_file_names_a_registry_or_a_path_of_somebody_s_machine() -> None:
    found = {
        str(path.relative_to(ROOT)): match[0]
        for path in files_of_installing()
        if (match := HOSTS.search(path.read_text())) is not None
    }
    assert found == {}


def workflows() -> list[Path]:
    return sorted((ROOT / ".github" / "workflows").glob("*.yml"))


@pytest.mark.parametrize("workflow", workflows(), ids=lambda path: path.name)
def test_a_workflow_may_only_read_and_pins_its_actions(workflow: Path) -> None:
    text = workflow.read_text()
    assert "permissions:\n  contents: read\n" in text
    assert "write" not in text
    pinned = PINNED.findall(text)
    assert len(pinned) == text.count("uses:")
    for action, commit, version in pinned:
        assert re.fullmatch(r"[0-9a-f]{40}", commit), action
        assert version, action
