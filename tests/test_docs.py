"""The documents: no broken link or anchor, every command parsed by the command line itself, every page reachable.

`tests/docs` runs the snippets and builds the site.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import json
import re
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from tools.site.pages import Page, Snippet, read_page
from tracker.commands.command_line import USAGE_ERROR, fill_bare, spread_values
from tracker.commands.main import BARE, COMMANDS

CHECKOUT = Path(__file__).resolve().parents[1]
PATHS = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "embedding/weights/*.md", "tracker/input/detection/weights/README.md")
    for path in CHECKOUT.glob(pattern)
)
OTHERS = {  # programs that are not ours, and tasks of the shell
    "docker", "export", "flatsort", "git", "jupyter", "make", "optimum-cli", "pip", "pre-commit", "pytest", "python",
    "torchrun", "track", "yolo",
}  # fmt: skip
MANY_VALUES = {  # of modules of `tools`, as they tell `run_command`
    "tools.benchmark": ("--seq", "--descriptor"),
    "tools.paper": ("--seq", "--det", "--descriptor", "--exclude", "--set"),
}
FOREIGN_SCRIPTS = ("tools/export_onnx.py",)  # of other people's checkouts


@lru_cache
def page(path: Path) -> Page:
    return read_page(path)


SNIPPETS = [snippet for path in PATHS for snippet in page(path).snippets]
MENTIONS = [(path, text) for path in PATHS for text in page(path).mentions]


def place(value: object) -> str:
    """What a case is called."""
    if isinstance(value, Snippet):
        return f"{value.page.relative_to(CHECKOUT)}:{value.line}"
    if isinstance(value, Path):
        return str(value.relative_to(CHECKOUT))
    return str(value)


@pytest.mark.parametrize("path", PATHS, ids=place)
def test_links_lead_somewhere(path: Path) -> None:
    for target in page(path).links:
        if re.match(r"[a-z]+:", target):
            assert target.startswith("https://"), f"{target}: expected https"
            continue
        name, _, anchor = target.partition("#")
        meant = (path.parent / name).resolve() if name else path
        assert meant.exists(), f"{target}: no such file"
        assert CHECKOUT in meant.parents, f"{target}: leads out of the checkout"
        if anchor and anchor not in ("only-light", "only-dark"):
            assert anchor in page(meant).anchors, f"{target}: no such heading; there are {sorted(page(meant).anchors)}"


@pytest.mark.parametrize("path", PATHS, ids=place)
def test_pictures_are_described(path: Path) -> None:
    assert [target for target, described in page(path).pictures if len(described) < 8] == []


def test_every_page_is_reached_from_the_readme() -> None:
    reached, waiting = set(), [CHECKOUT / "README.md"]
    while waiting:
        path = waiting.pop()
        if path in reached or path.suffix != ".md":
            continue
        reached.add(path)
        targets = [target.partition("#")[0] for target in page(path).links if not re.match(r"[a-z]+:|#", target)]
        waiting += [(path.parent / target).resolve() for target in targets]
    pages = {path for path in PATHS if CHECKOUT / "docs" in path.parents}
    assert {place(path) for path in pages - reached - generated()} == set()


def generated() -> set[Path]:
    """Pages that only the site fills; its navigation names them."""
    return {path for path in PATHS if path.parent.name == "reference"}


def test_the_readme_is_short_and_names_every_page_of_the_documents() -> None:
    readme = page(CHECKOUT / "README.md")
    assert readme.path.read_text("utf-8").count("\n") < 130
    linked = {(CHECKOUT / target.partition("#")[0]).resolve() for target in readme.links}
    top = {path for path in (CHECKOUT / "docs").glob("*.md") if path.name not in {"index.md", "notebook.md"}}
    assert {place(path) for path in top - linked} == set()


def test_the_readme_s_first_two_commands() -> None:
    first, second = page(CHECKOUT / "README.md").snippets[:2]
    assert list(first.commands()) == [["pip", "install", "-e", "."], ["track", "--demo"]]
    assert list(second.commands()) == [["pip", "install", "-e", ".[test]"], ["pytest"]]


def test_contributing_names_every_room_of_the_tracker() -> None:
    named = set(page(CHECKOUT / "CONTRIBUTING.md").mentions)
    assert {path.parent.name for path in CHECKOUT.glob("tracker/*/__init__.py")} - named == set()


@pytest.mark.parametrize("snippet", SNIPPETS, ids=place)
def test_snippets_parse(snippet: Snippet) -> None:
    if snippet.language == "python":
        ast.parse(snippet.text)
    elif snippet.language == "json":
        json.loads(snippet.text)
    elif snippet.language == "yaml":
        assert snippet.text.startswith("--8<-- ") or yaml.safe_load(snippet.text)
    elif snippet.language == "sh":
        for command in snippet.commands():
            require_known(command)
    else:
        assert snippet.language == "text", f"{snippet.language}: expected python, sh, yaml, json or text"


@pytest.mark.parametrize(
    ("path", "text"),
    [pair for pair in MENTIONS if re.match(r"(track|flatsort|python -m tools\.\w+) .*--\w", pair[1])],
    ids=place,
)
def test_commands_within_sentences_parse(path: Path, text: str) -> None:
    for command in Snippet(path, 0, "sh", text.replace("[", "").replace("]", "")).commands():
        require_known(command, whole=False)


def require_known(command: list[str], whole: bool = True) -> None:
    """Fail where a command is none, or has an option or a value that it does not take."""
    command = command[next(i for i, word in enumerate(command) if not re.match(r"\w+=", word)) :]
    program, *arguments = command
    assert program in OTHERS, f"{program}: a program that the documents do not know"
    if program == "docker":
        require_docker(arguments)
    elif program in ("track", "flatsort"):
        name, given = ("track", arguments) if program == "track" else (arguments[0], arguments[1:])
        if name in ("--help", "--version", "COMMAND"):
            return
        assert name in COMMANDS, f"flatsort {name}: no such command"
        main = importlib.import_module(f"tracker.commands.{name}").main
        require_parsed(main, spread_values(given, COMMANDS[name][1]), whole)
    elif program == "python" and arguments[0] == "-m":
        require_module(arguments[1], arguments[2:], whole)
    elif program == "python" and arguments[0].endswith(".py"):
        assert arguments[0] in FOREIGN_SCRIPTS or (CHECKOUT / arguments[0]).is_file()
    elif program == "pytest":
        for argument in arguments:
            assert "/" not in argument or (CHECKOUT / argument.partition("::")[0]).exists(), argument
    elif program == "make":
        targets = re.findall(r"^(\w+):", (CHECKOUT / "Makefile").read_text(), re.MULTILINE)
        assert set(arguments) <= set(targets)
    elif program == "pip":
        for extras in re.findall(r"\[([\w,]+)\]", " ".join(arguments)):
            assert set(extras.split(",")) <= known_extras(), extras


def require_module(name: str, arguments: list[str], whole: bool) -> None:
    """The same for `python -m NAME`."""
    if not name.startswith("tools."):
        return
    command = name.removeprefix("tools.")
    if command in COMMANDS:
        assert importlib.util.find_spec(name)
        require_known(["flatsort", command, *arguments], whole)
        return
    package = importlib.util.find_spec(name)
    assert package, f"{name}: no such module"
    main = importlib.import_module(f"{name}.__main__" if package.submodule_search_locations else name).main
    require_parsed(main, spread_values(arguments, MANY_VALUES.get(name, ())), whole)


def require_docker(arguments: list[str]) -> None:
    """What stands behind an image's or a service's name is a command line of ours."""
    words = iter(arguments)
    entry = ["track"]
    for word in words:
        if word == "--entrypoint":
            entry = [next(words)]
        if word in ("flatsort:cpu", "flatsort:cuda", "cpu", "cuda"):
            given = list(words)
            if given:
                require_known([*entry, *given])
            return
        if word == "-f":
            assert (CHECKOUT / next(words)).is_file()
        if word in ("-t", "serve"):
            return
    assert arguments[0] in ("stop", "build", "logs"), arguments


def require_parsed(main: Callable[..., Any], arguments: list[str], whole: bool) -> None:
    app = typer.Typer(add_completion=False)
    app.command()(main)
    try:
        typer.main.get_command(app).make_context("command", fill_bare(arguments, BARE))
    except USAGE_ERROR as error:
        if whole or not re.search("Missing|requires an argument", str(error)):
            pytest.fail(f"{arguments}: {error}")
    except typer.Exit:  # --help
        pass


def known_extras() -> set[str]:
    text = (CHECKOUT / "pyproject.toml").read_text("utf-8")
    table = re.search(r"^\[project.optional-dependencies\]\n(.*?)^\[", text, re.MULTILINE | re.DOTALL)
    assert table
    return set(re.findall(r"^(\w+) = ", table[1], re.MULTILINE))


@pytest.mark.parametrize(
    "command",
    [
        ["track", "clip.mp4", "--descripter", "colour"],  # a misspelt option
        ["flatsort", "trakc"],  # a command that is none
        ["track", "clip.mp4", "--link", "perhaps", "--raw", "--tiles", "many"],  # a value that is none
        ["flatsort", "embed", "--seq", "clip.mp4"],  # what must be given is not
        ["python", "-m", "tools.adapt", "--learn"],  # the same from a checkout
        ["python", "-m", "tools.paper", "pendulum", "--ot", "x"],
        ["docker", "run", "flatsort:cpu", "--sek", "clip.mp4"],  # behind an image
        ["pip", "install", "flatsort[magic]"],  # an extra that is none
        ["make", "coffee"],
        ["ls"],
    ],
    ids=" ".join,
)
def test_a_wrong_command_would_be_found(command: list[str]) -> None:
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        require_known(command)


def test_a_broken_link_would_be_found(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text(
        "# A page's *title*, `code`\n\n[a](#a-pages-title-code) ![b](none.png)\n\n    track x.mp4\n", "utf-8"
    )
    found = read_page(path)
    assert found.links == ("#a-pages-title-code", "none.png")
    assert found.anchors == {"a-pages-title-code"}
    assert found.pictures == (("none.png", "b"),)
    assert [(one.language, one.line) for one in found.snippets] == [("sh", 5)]
