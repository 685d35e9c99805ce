"""Links of a Markdown page, for readers who do not see the checkout around it: the site, and PyPI."""

from __future__ import annotations

import re
from collections.abc import Callable

LINK = re.compile(
    r"(?P<code>```.*?```|`[^`\n]*`)|(?P<image>!?)\[(?P<text>(?:[^\[\]]|\[[^\]]*\])*)\]\((?P<target>[^)\s]+)\)",
    re.DOTALL,
)


def with_targets(markdown: str, find: Callable[[str, bool], str | None]) -> str:
    """The page with other targets behind its relative links.

    Args:
        markdown: the page.
        find: relative target and whether a picture is meant -> the new one, or None where a reader has nothing to
            follow: of a link its text stays, of a picture nothing.
    """

    def replaced(found: re.Match[str]) -> str:
        if found["code"]:
            return found[0]
        image, text, target = found["image"], found["text"], found["target"]
        if not image:
            text = with_targets(text, find)
        if re.match(r"[a-z]+:|#", target):
            return f"{image}[{text}]({target})"
        new = find(target, bool(image))
        if new is None:
            return "" if image else text
        return f"{image}[{text}]({new})"

    return LINK.sub(replaced, markdown)


def for_pypi(markdown: str, repository: str | None, version: str) -> str:
    """The README as PyPI shows it, where relative links lead nowhere.

    Args:
        markdown: the README.
        repository: address of the project's pages on GitHub, or None while there is none.
        version: whose tag `vVERSION` is linked.
    """
    if repository is None:
        return with_targets(markdown, lambda target, is_image: None)
    base = repository.rstrip("/")
    return with_targets(
        markdown, lambda target, is_image: f"{base}/{'raw' if is_image else 'blob'}/v{version}/{target}"
    )
