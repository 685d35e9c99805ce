"""A template and values become one HTML text."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedding.extras import require_package
from embedding.files import atomic_path
from tracker.output.palette import colour_of, css_colour, ink_on

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

TEMPLATES = Path(__file__).parent / "templates"


def render(template: str, **values: Any) -> Markup:
    """A page, or a part of one that another template puts in its place as it is.

    Values are escaped wherever the template puts them; a name that the template uses and nobody gives is an error.
    Beside Jinja2's own filters there are

    - `identity`: a track id as its number on its colour, `<b class="id" style="...">7</b>`;
    - `colour`: a track id as its colour, `#872dc3`;
    - `clock`: seconds as minutes and seconds, `83.4` -> `1:23`;
    - `script`: any value that JSON knows, for a `<script>`: `const rows = {{ rows | script }};`.

    Args:
        template: its name in `templates/`, such as `report.html`.
        values: what it shows; a page that extends `base.html` needs `title`.

    Raises:
        InputError: Jinja2 is not installed.
        jinja2.UndefinedError: a value is missing.
    """
    require_package("jinja2", "a page")
    from markupsafe import Markup

    return Markup(_environment().get_template(template).render(**values))


def write_page(path: str | Path, template: str, **values: Any) -> None:
    """Write a rendered page, whole or not at all.

    Raises:
        InputError: as `render`; nothing can be written there.
    """
    page = render(template, **values)
    with atomic_path(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def clock(seconds: float) -> str:
    """Minutes and seconds, hours where there are any.

    Example:
        >>> clock(83.4), clock(3723)
        ('1:23', '1:02:03')
    """
    whole = int(seconds)
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def identity(track: int) -> Markup:
    """An identity's number on its colour."""
    from markupsafe import Markup

    blue, green, red = ink_on(colour_of(track))
    style = f"background:{css_colour(track)};color:#{red:02x}{green:02x}{blue:02x}"
    return Markup('<b class="id" style="{}">{}</b>').format(style, track)


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from jinja2.utils import htmlsafe_json_dumps

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(identity=identity, colour=css_colour, clock=clock, script=htmlsafe_json_dumps)
    return environment
