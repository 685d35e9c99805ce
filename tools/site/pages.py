"""A Markdown page as its tests see it: headings, links, code."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

SHELL, PYTHON = ("sh", "bash", "shell", "console"), ("python", "py")


@dataclass(frozen=True)
class Snippet:
    """A block of code.

    Attributes:
        page: file it stands in.
        line: of the page, from 1.
        language: behind the fence; of an indented block `sh` or `python`, as it reads.
        text: without the fence.
    """

    page: Path
    line: int
    language: str
    text: str

    def commands(self) -> Iterator[list[str]]:
        """Its shell commands as words: comments, `&&`, and lines that end in a backslash are understood."""
        waiting = ""
        for line in re.sub(r"\\\n\s*", "", self.text).splitlines():
            words: list[str] = []
            try:
                split = shlex.split(waiting + line, comments=True)
            except ValueError:  # within quotes
                waiting += f"{line}\n"
                continue
            waiting = ""
            for word in split:
                if word in ("&&", "|", ";"):
                    yield words
                    words = []
                else:
                    words.append(word)
            if words:
                yield words


@dataclass(frozen=True)
class Page:
    """What a page holds.

    Attributes:
        anchors: of its headings, as GitHub and the site make them.
        links: target of each link and picture.
        pictures: target and alternative text of each picture.
        snippets: its blocks of code.
        mentions: code within sentences.
    """

    path: Path
    anchors: frozenset[str]
    links: tuple[str, ...]
    pictures: tuple[tuple[str, str], ...]
    snippets: tuple[Snippet, ...]
    mentions: tuple[str, ...]


def read_page(path: Path) -> Page:
    """Parse a page."""
    text = re.sub(r"\A---\n.*?\n---\n", "", path.read_text("utf-8"), flags=re.DOTALL)
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    anchors, links, pictures, snippets, mentions = set(), [], [], [], []
    for before, token in zip([None, *tokens], tokens, strict=False):
        if token.type in ("fence", "code_block"):
            snippets.append(_snippet(path, token))
        elif token.type == "html_block":
            links += re.findall(r'(?:src|href)="([^"]+)"', token.content)
        for child in token.children or ():
            if child.type == "link_open":
                links.append(str(child.attrs["href"]))
            elif child.type == "image":
                links.append(str(child.attrs["src"]))
                pictures.append((str(child.attrs["src"]), child.content))
            elif child.type == "code_inline":
                mentions.append(child.content)
        if before is not None and before.type == "heading_open":
            anchors.add(_anchor("".join(child.content for child in token.children or ())))
    return Page(path, frozenset(anchors), tuple(links), tuple(pictures), tuple(snippets), tuple(mentions))


def _anchor(heading: str) -> str:
    """The heading's anchor: lower case, letters, digits and hyphens."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")


def _snippet(path: Path, token: Token) -> Snippet:
    language = token.info.strip().split(" ")[0] or _language(token.content)
    return Snippet(path, (token.map or [0])[0] + 1, language, token.content)


def _language(text: str) -> str:
    """`python` where it parses as that and is no single word, else `sh`."""
    try:
        compile(text, "snippet", "exec")
    except SyntaxError:
        return "sh"
    return "python" if re.search(r"[=(]|^import |^from ", text, re.MULTILINE) else "sh"
