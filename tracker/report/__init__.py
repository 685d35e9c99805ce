"""The page about one run that people look at: video and timeline, gallery, counts, ways in and out, account.

`sink` takes the frames in as they are written; `crops` keeps the best pictures of each identity, `identities` says what
each did, `figures` and `heat` draw, `page` puts it together and `folder` in its place.
Imports `tracker.footage`, `tracker.output`, `tracker.evaluate` and what is below them; Jinja2, Matplotlib and OpenCV on
use (extra `report`). Knows nothing of jobs: it is told plain values.
Public: `page.Report`, `page.Told`, `page.Section`, `folder.require_place`.
"""
