"""What is missing is named, with the extra that brings it."""

from __future__ import annotations

import sys

import pytest

from embedding.errors import InputError
from embedding.extras import EXTRAS, is_installed, require_package


@pytest.mark.parametrize(("package", "extra"), sorted(EXTRAS.items()))
def test_a_missing_package_is_named_with_its_extra(package: str, extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    assert not is_installed(package)
    with pytest.raises(InputError, match=rf"^--option x: needs {package}, .*pip install 'flatsort\[{extra}\]'$"):
        require_package(package, "--option x")
