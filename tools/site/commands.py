"""What each command takes, read from the functions themselves, so that the page is never out of date."""

from __future__ import annotations

import importlib
import inspect
import re
from enum import Enum
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import typer

from tracker.commands.main import COMMANDS

TYPES = {int: "N", float: "X", Path: "PATH"}  # what stands for a value


def all_commands() -> str:
    """Markdown: a section a command, a table a group of options."""
    return "\n".join(_section(name, *told) for name, told in COMMANDS.items())


def _section(name: str, about: str, many_values: tuple[str, ...]) -> str:
    function = importlib.import_module(f"tracker.commands.{name}").main
    examples = re.findall(r"^\s*Example: (.+)$", function.__doc__ or "", re.MULTILINE)
    lines = [f"## {name}", "", about, ""]
    if examples:
        lines += ["```sh", *examples, "```", ""]
    hints = get_type_hints(function, include_extras=True)
    groups: dict[str, list[str]] = {}
    for parameter in inspect.signature(function).parameters.values():
        annotated = hints[parameter.name]
        information: Any = get_args(annotated)[1]
        row = _row(parameter, get_args(annotated)[0], information, many_values)
        groups.setdefault(information.rich_help_panel or "", []).append(row)
    for group, rows in groups.items():
        lines += [
            *([f"**{group}**", ""] if group else []),
            "| option | what it does | default |",
            "| --- | --- | --- |",
        ]
        lines += [*rows, ""]
    return "\n".join(lines)


def _row(parameter: inspect.Parameter, kind: Any, information: Any, many_values: tuple[str, ...]) -> str:
    kind = next((one for one in get_args(kind) if one is not type(None)), kind) if _is_union(kind) else kind
    several = get_origin(kind) is list
    kind = get_args(kind)[0] if several else kind
    if isinstance(information, typer.models.ArgumentInfo):
        name = (information.metavar or parameter.name.upper()) + (" ..." if several else "")
    else:
        names = information.param_decls or (f"--{parameter.name.strip('_').replace('_', '-')}",)
        value = "" if kind is bool else f" {information.metavar or _value(kind)}"
        name = ", ".join(names) + value + (" ..." if set(names) & set(many_values) else "")
    help_text = (information.help or "").replace("|", "\\|")
    return f"| `{name}` | {help_text} | {_default(parameter.default, information)} |"


def _is_union(kind: Any) -> bool:
    return type(None) in get_args(kind)


def _value(kind: Any) -> str:
    if isinstance(kind, type) and issubclass(kind, Enum):
        return "|".join(str(member.value) for member in kind)
    if get_origin(kind) is Literal:
        return "|".join(map(str, get_args(kind)))
    return TYPES.get(kind, "TEXT")


def _default(value: Any, information: Any) -> str:
    if value is inspect.Parameter.empty or value is ...:
        return "must be given"
    if value is None or value is False or information.show_default is False or not str(value):
        return ""
    return f"`{getattr(value, 'value', value)}`"
