"""The plan of the house: who imports whom, and that no room, page or function outgrows what one can take in."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import Counter
from pathlib import Path

import grimp
import pytest

CHECKOUT = Path(__file__).resolve().parents[1]
ROOMS = ("tracker", "embedding", "tools")
MODULES = sorted(path.relative_to(CHECKOUT) for room in ROOMS for path in (CHECKOUT / room).rglob("*.py"))
MOST_MODULES, MOST_LINES, MOST_IN_A_FUNCTION = 15, 400, 60


def test_contracts_are_kept() -> None:
    program = "from importlinter.cli import lint_imports_command; lint_imports_command()"  # it silences other loggers
    done = subprocess.run([sys.executable, "-c", program, "--no-cache"], cwd=CHECKOUT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_module_imports_itself_through_others() -> None:
    graph = grimp.build_graph(*ROOMS, cache_dir=None)
    circles = {
        frozenset(chain): " -> ".join((module, *chain))
        for module in graph.modules
        for imported in graph.find_modules_directly_imported_by(module)
        if (chain := graph.find_shortest_chain(imported, module))
    }
    assert not circles, "\n".join(circles.values())


def test_no_folder_holds_more_than_one_sees_at_once() -> None:
    modules = Counter(path.parent for path in MODULES if path.name != "__init__.py")
    assert {str(folder): count for folder, count in modules.items() if count > MOST_MODULES} == {}


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_pages_and_functions_are_short(path: Path) -> None:
    text = (CHECKOUT / path).read_text(encoding="utf-8")
    assert text.count("\n") <= MOST_LINES
    functions = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    assert {node.name: length for node in functions if (length := body_lines(node)) > MOST_IN_A_FUNCTION} == {}


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from the first statement behind the docstring to the last."""
    body = function.body[1:] if ast.get_docstring(function) and len(function.body) > 1 else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1


@pytest.mark.parametrize("folder", sorted({path.parent for path in MODULES}), ids=str)
def test_a_room_says_what_lives_there(folder: Path) -> None:
    init = CHECKOUT / folder / "__init__.py"
    assert init.is_file()
    described = ast.get_docstring(ast.parse(init.read_text(encoding="utf-8"))) or ""
    first = described.partition("\n\n")[0]
    assert first.endswith("."), f"expected a first sentence that says what lives in {folder}, found {first!r}"
