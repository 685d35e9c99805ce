"""Fixtures shared by all tests."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[1].parent / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of development data beside the checkout; without it the test is skipped."""
    if not SHARED.is_dir():
        pytest.skip(f"needs the development data in {SHARED}")
    return SHARED
