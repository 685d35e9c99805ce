"""What Griffe calls while it reads docstrings: `Example:` with a session in it is Google style's `Examples:`."""

from __future__ import annotations

import re
from typing import Any

from griffe import Extension, Object


class SessionsInExamples(Extension):
    """Show sessions (`>>>`) as code, wherever a docstring has one example and says so."""

    def on_object(self, *, obj: Object, **_: Any) -> None:
        """Rename the section before it is parsed."""
        if obj.docstring is not None:
            obj.docstring.value = re.sub(r"^Example:$", "Examples:", obj.docstring.value, flags=re.MULTILINE)
