# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading Markdown as far as the gates need it: headings, links, tables and code blocks, each with its line."""

from __future__ import annotations

import re
from dataclasses import dataclass

_FENCE = re.compile(r"\s*(`{3,}|~{3,})\s*(\S*)")
_HEADING = re.compile(r"(#{1,6})\s+(.*?)\s*#*\s*$")
_LINK = re.compile(r"\[(?:[^\[\]]|\[[^\]]*\])*\]\(\s*<?([^\s()<>]+)>?(?:\s+\"[^\"]*\")?\s*\)")
_REFERENCE = re.compile(r"\s{0,3}\[[^\]]+\]:\s*<?(\S+?)>?\s*(?:\"[^\"]*\")?$")
_CODE = re.compile(r"(`+)(.+?)\1(?!`)")
_DELIMITER = re.compile(r"\s*\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)*\|?\s*$")


@dataclass(frozen=True)
class Table:
    """A table: the cells of its head, and of each row with its line."""

    line: int
    head: tuple[str, ...]
    rows: tuple[tuple[int, tuple[str, ...]], ...]


@dataclass(frozen=True)
class Block:
    """A fenced block of code; ``line`` is the line of its first line of code."""

    line: int
    language: str
    text: str


def prose(text: str) -> list[tuple[int, str]]:
    """Return the lines outside of fenced blocks, with their numbers."""
    return _parts(text)[0]


def blocks(text: str) -> list[Block]:
    """Return the fenced blocks."""
    return _parts(text)[1]


def _parts(text: str) -> tuple[list[tuple[int, str]], list[Block]]:
    outside: list[tuple[int, str]] = []
    fenced: list[Block] = []
    fence, language, code = "", "", []
    for number, line in enumerate(text.splitlines(), 1):
        match = _FENCE.match(line)
        if fence and match and match[1].startswith(fence) and not match[2]:
            fenced.append(Block(number - len(code), language, "".join(f"{each}\n" for each in code)))
            fence = ""
        elif fence:
            code.append(line)
        elif match:
            fence, language, code = match[1], match[2], []
        else:
            outside.append((number, line))
    return outside, fenced


def code_spans(text: str) -> list[str]:
    """Return what stands in backquotes."""
    return [match[2].strip() for match in _CODE.finditer(text)]


def links(text: str) -> list[tuple[int, str]]:
    """Return the targets of links and images, with their lines."""
    found = []
    for number, line in prose(text):
        bare = _CODE.sub("", line)
        found += [(number, match[1]) for match in _LINK.finditer(bare)]
        reference = _REFERENCE.match(bare)
        if reference:
            found.append((number, reference[1]))
    return found


def anchors(text: str) -> set[str]:
    """Return the anchors of the headings, made the way GitHub makes them."""
    found: set[str] = set()
    for _number, line in prose(text):
        heading = _HEADING.match(line)
        if heading:
            title = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading[2].replace("`", ""))
            slug = re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
            count = 0
            while (anchor := f"{slug}-{count}" if count else slug) in found:
                count += 1
            found.add(anchor)
    return found


def tables(text: str) -> list[Table]:
    """Return the tables."""
    found: list[Table] = []
    lines = prose(text)
    index = 0
    while index + 1 < len(lines):
        (number, head), (following, delimiter) = lines[index], lines[index + 1]
        index += 1
        if "|" not in head or following != number + 1 or not _DELIMITER.match(delimiter):
            continue
        rows = []
        index += 1
        while index < len(lines) and lines[index][1].strip().startswith("|"):
            rows.append((lines[index][0], _cells(lines[index][1])))
            index += 1
        found.append(Table(number, _cells(head), tuple(rows)))
    return found


def _cells(line: str) -> tuple[str, ...]:
    hidden = _CODE.sub(lambda match: match[0].replace("|", "\0"), line.strip()).replace("\\|", "\0")
    return tuple(cell.strip().replace("\0", "|") for cell in hidden.strip("|").split("|"))
