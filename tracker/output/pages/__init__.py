"""Pages for a browser: one style, one base template, self-contained HTML.

A page is a template in `templates/` that begins with `{% extends "base.html" %}` and fills its blocks; `render` makes
one string of it, which needs no server, no network and no other file but the pictures it names:

    {% extends "base.html" %}
    {% block style %}{% include "zones.css" %}{% endblock %}     further style, inside the page
    {% block content %}<section class="card"> ... </section>{% endblock %}
    {% block script %}{% include "zones.js" %}{% endblock %}     program, inside the page

The style (`style.css`) is dark or light as the reader's system is, fits a phone and paper, and shows the keyboard's
focus. It has classes for what pages are made of: `card` (a framed section), `grid` (cards side by side where there is
room), `tiles` and `tile` (a large figure with its name), `scroll` (a table or drawing wider than the page scrolls by
itself), `id` (an identity's number on its colour, see the filter `identity`), `note` and `careful` (side remarks and
warnings), `quiet` (a button or link that does not shout). Colours are its variables: `--paper`, `--card`, `--ink`,
`--soft`, `--line`, `--accent`, `--careful`.

Needs the extra `report` (Jinja2), imported on use. Imports `tracker.output.palette` and what is below.
Public: `render.render`, `render.write_page`.
"""
