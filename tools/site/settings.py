"""The presets side by side: every key, what it may hold, what each preset chose, and what its file says about it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

from tracker.core.config import TrackerConfig, load_config, preset_names

PRESETS = Path(__file__).resolve().parents[2] / "configs/tracker"
FIRST = "flatsort"  # whose words are taken where several explain a key
BOUNDS = {"ge": "from", "gt": "above", "le": "to", "lt": "below"}
WORDS = {  # where a file explains its own choice, or says nothing
    "appearance": "what a track keeps of its looks: nothing, its last `budget` features, one averaged",
    "keep_shrunk": "whether a track lives on whose box shrinks to nothing while unseen",
    "max_cosine_distance": "largest 1 - cos of two looks of one person; `auto`: found on the footage",
    "max_iou_distance": "largest 1 - IoU of a pair that is matched by overlap",
    "metric": "distance of looks: 1 - cos, or the Euclidean one",
    "new_track_confidence": "score of a detection that can start a track, where that is not `min_confidence`",
}


def all_settings() -> str:
    """Markdown: a row a key."""
    names = [FIRST, *(name for name in reversed(preset_names()) if name != FIRST)]
    loaded = {name: load_config(name) for name in names}
    words = {key: text for name in reversed(names) for key, text in _words(name).items()} | WORDS
    rows = []
    for key, field in TrackerConfig.model_fields.items():
        if key == "stages":
            continue
        chosen = " | ".join(f"`{_shown(getattr(config, key))}`" for config in loaded.values())
        rows.append(f"| `{key}` | {words[key]} | {_allowed(field.annotation, field.metadata)} | {chosen} |")
    head = " | ".join(f"`{name}`" for name in names)
    return "\n".join([f"| key | what it is | may be | {head} |", "| --- " * (len(names) + 3) + "|", *rows])


def _words(name: str) -> dict[str, str]:
    """Key -> comment of a preset's file."""
    text = (PRESETS / f"{name}.yaml").read_text("utf-8")
    return {key: words.strip() for key, words in re.findall(r"^(\w+):[^#\n]*#\s*(.+)$", text, re.MULTILINE)}


def _shown(value: Any) -> str:
    """As YAML has it."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return f"{value:g}" if isinstance(value, float) else str(value)


def _allowed(kind: Any, metadata: list[Any]) -> str:
    """Choices, and bounds."""
    if kind is bool:
        return "true, false"
    parts = (kind, *get_args(kind))
    told = [f"`{choice}`" for part in parts if get_origin(part) is Literal for choice in get_args(part)]
    within = [one for part in parts if get_origin(part) is Annotated for one in part.__metadata__[0].metadata]
    bounds = [
        f"{word} {getattr(bound, name):g}"
        for bound in (*metadata, *within)
        for name, word in BOUNDS.items()
        if hasattr(bound, name)
    ]
    told += [" ".join(bounds)] if bounds else []
    return ", ".join([*told, *(["null"] if type(None) in parts else [])])
