"""The page, from its first request until a signal ends it."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

from embedding.progress import say
from tracker.input.sequences import Sequence
from tracker.review.advice import Advice, TakeLooks
from tracker.review.looks import take_looks
from tracker.review.pictures import opened
from tracker.review.server import ReviewServer
from tracker.review.session import Session


def serve(session: Session, sequence: Sequence, result: Path, descriptor: str, port: int, browser: bool) -> None:
    """Serve the page until a signal ends it; what was not saved then is."""
    with opened(sequence, session.table, str(result), session.log) as pictures:
        looks: TakeLooks | None = None
        if descriptor != "none":
            from embedding import Descriptor

            Descriptor.load(descriptor)  # a wrong name shows at once
            known = replace(sequence, frame_rate=sequence.frame_rate or pictures.rate)
            looks = partial(take_looks, known, session.table, str(result), descriptor, session.log)
        with ReviewServer(session, pictures, Advice(session, looks), result.name, port) as server:
            say(f"{result.name}: {server.url} (Ctrl-C ends and saves)")
            if browser:
                import webbrowser

                webbrowser.open(server.url)
            try:
                server.serve_forever(poll_interval=0.2)
            finally:
                if not session.is_saved:
                    say(f"saved: {session.save()}")
                say(f"log: {session.log}")
