"""Pages that are filled from the code."""

from __future__ import annotations

import re

from tools.site.commands import all_commands
from tools.site.settings import all_settings
from tracker.commands.main import COMMANDS
from tracker.core.config import TrackerConfig, load_config


def test_every_command_has_a_section() -> None:
    assert re.findall(r"^## (\w+)$", all_commands(), re.MULTILINE) == list(COMMANDS)


def test_options_are_told_with_values_and_defaults() -> None:
    text = all_commands()
    for row in (
        "| `SEQ ...` | The same as --seq: track clip.mp4 |  |",
        "| `--tiles N` | Let a detector look at N x N parts of the picture too. | `1` |",
        "| `--set KEY=VALUE ...` | Override settings of the preset. |  |",
    ):
        assert row in text
    assert re.search(r"^\| `--camera-motion ecc\|sparse` \|", text, re.MULTILINE)
    assert re.search(r"^\| `--out TEXT` \| FILE.npy to write; .* \| must be given \|$", text, re.MULTILINE)


def test_every_setting_has_a_row_with_what_each_preset_chose() -> None:
    rows = {line.split(" | ")[0].strip("|` "): line for line in all_settings().splitlines()[2:]}
    assert set(rows) == set(TrackerConfig.model_fields) - {"stages"}
    assert rows["max_age"].endswith(f"`{load_config('flatsort').max_age}` | `1` | `30` |")
    assert "| `auto`, from 0 |" in rows["max_cosine_distance"]
    assert "| from 0 to 1, null |" in rows["min_confidence"]
    assert all(line.split(" | ")[1].strip() for line in rows.values())
