"""A person corrects a finished result: on a page of her own machine, or by replaying what she once said.

`corrections` are pure operations on a table of tracks; `journal` is the file that they are written to one by one, and
`session` holds both: do, undo, redo, save. `looks` describes a few boxes of each identity, `suggestions` says from them
who may be one person, and where one identity may be two. `pictures` and `server` bring all of it to the browser; the
page itself is `output/pages/templates/review.*`. `lessons` is what `flatsort adapt` learns from corrections.

Imports `run`, `linking`, `output.pages` and what is below; nothing of it talks to another machine.
Public: `session.Session`, `session.replayed`, `lessons.read_lessons`.
"""
