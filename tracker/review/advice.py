"""Suggestions that are worked out while the page is open: first the looks, then an answer after every correction."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from embedding.progress import Progress, say
from tracker.errors import InputError
from tracker.review.looks import Looks
from tracker.review.session import Session
from tracker.review.suggestions import Adviser, Suggestion

TakeLooks = Callable[[Progress], Looks]


class Advice:
    """What to look at, as far as it is known.

    Args:
        session: what is reviewed.
        take_looks: describes a few boxes of each identity, and tells how far it has come; None: there is no descriptor.
    """

    def __init__(self, session: Session, take_looks: TakeLooks | None) -> None:
        self._session, self._take_looks = session, take_looks
        self._lock = threading.Lock()
        self._adviser: Adviser | None = None
        self._known: tuple[int, list[Suggestion]] | None = None
        self._doing = "looking at the people" if take_looks else "no suggestions: --descriptor is none"
        if take_looks is not None and len(session.table):
            threading.Thread(target=self._look, name="looks", daemon=True).start()

    def as_json(self) -> dict[str, Any]:
        """What a page shows: suggestions, whether they are there, and what is going on while they are not."""
        if self._adviser is None:
            return {"ready": False, "doing": self._doing, "version": self._session.version, "suggestions": []}
        with self._lock:
            with self._session.lock:
                version, reviewed = self._session.version, self._session.reviewed
            if self._known is None or self._known[0] != version:
                self._known = version, self._adviser.advise(reviewed)
            found = [one.as_json() for one in self._known[1]]
        return {"ready": True, "doing": "", "version": version, "suggestions": found}

    def _look(self) -> None:
        assert self._take_looks is not None

        def told(doing: str, done: float, total: float | None) -> None:
            self._doing = f"looking at the people: {done / total:.0%}" if total else "looking at the people"

        try:
            self._adviser = Adviser(self._session.table, self._take_looks(told))
            say(f"suggestions from {len(self._adviser.looks.rows)} looks are ready")
        except InputError as error:
            self._doing = f"no suggestions: {error}"
            say(f"careful: no suggestions: {error}")
