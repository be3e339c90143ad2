# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file of one host: the two lists as YAML, with what is to be decided beside each item."""

from __future__ import annotations

import os
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .problems import InvalidInput, Problem, show
from .yaml_lines import yaml_lines

_WIDTH = 120
#: What stands for a secret, and alone is a template, and how it is written meanwhile, in characters that no text has.
_VARIABLE = re.compile(r"\{\{ (vault_[a-z0-9_]+(?: \| string)?) \}\}")
_BETWEEN = ("\ue000", "\ue001")
_WRITTEN = re.compile(r"\\ue000(vault_[a-z0-9_]+(?: \| string)?)\\ue001")
_HEAD = """\
---
# What stability.baseline.adopt has read of {host}. It changes nothing until stability.baseline.apply runs with it.
# Decide what a line with "decide" asks, and take the line out. The guide docs/adopt.md tells how to go on.
"""


def _guarded(value: Any) -> Any:
    """Return a value with its variables written so that they are not taken for text that only looks like a template."""
    if isinstance(value, str):
        return _VARIABLE.sub(rf"{_BETWEEN[0]}\1{_BETWEEN[1]}", value)
    if isinstance(value, Mapping):
        return {name: _guarded(member) for name, member in value.items()}
    return [_guarded(member) for member in value] if isinstance(value, (list, tuple)) else value


def _entry(item: Mapping[str, Any]) -> Iterator[str]:
    for line in yaml_lines([_guarded(item)]):
        yield "  " + _WRITTEN.sub(r"{{ \1 }}", line)


def _printable(text: str) -> str:
    """Return a text, which may quote what the host has, as one line."""
    return "".join(character if character.isprintable() else " " for character in " ".join(text.split()))


def _comment(text: str, indent: str, word: str = "decide: ") -> list[str]:
    begin = f"{indent}# {word}"
    return textwrap.wrap(
        _printable(text),
        _WIDTH,
        initial_indent=begin,
        subsequent_indent=f"{indent}#   ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _list(option: str, key: str, items: Sequence[Mapping[str, Any]], marks: Mapping[str, list[str]]) -> Iterator[str]:
    if not items:
        yield f"{option}: []"
        return
    yield f"{option}:"
    for item in items:
        for text in marks.get(item[key], ()):
            yield from _comment(text, "  ")
        yield from _entry(item)


def text_of(host: str, found: Mapping[str, Any]) -> str:
    """Return the text of the file of ``host``, from the result of the module ``adopt_info``."""
    services, environments = found["services"], found["environments"]
    names = {*(item["name"] for item in services), *(item["virtualenv"] for item in environments)}
    marks: dict[str, list[str]] = {}
    head = []
    for mark in found["marks"]:
        if mark["subject"] in names:
            marks.setdefault(mark["subject"], []).append(mark["text"])
        else:
            head += _comment(f"{mark['subject']}: {mark['text']}", "")
    for text in found["unseen"]:
        head += _comment(text, "", "not seen: ")
    lists = [
        *_list("stability_services", "name", services, marks),
        *_list("stability_environments", "virtualenv", environments, marks),
    ]
    return _HEAD.format(host=_printable(host)) + "\n".join([*head, *lists, ""])


@dataclass(frozen=True)
class Written:
    """Where the lists of a host are, whether that was written (in check mode: would be), and what was left as it was."""

    path: str
    changed: bool
    kept: str = ""


def _same(path: str, text: str) -> bool:
    with open(path, encoding="utf-8", errors="surrogateescape") as stream:
        return stream.read() == text


def _write(path: str, text: str) -> None:
    staged = f"{path}.{os.getpid()}"
    try:
        # What was overlooked may be in it.
        with open(os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as stream:
            stream.write(text)
        os.replace(staged, path)
    except OSError:
        if os.path.lexists(staged):
            os.unlink(staged)
        raise


def write_file(folder: str, host: str, text: str, check_mode: bool) -> Written:
    """Write the file of ``host``; one that is there and differs is kept, and the new one is written beside it.

    Somebody may have decided things in it. Raises :class:`~.problems.InvalidInput` where the folder cannot be written.
    """
    if "/" in host or host.startswith("."):
        expected = "a name that a file can have"
        raise InvalidInput([Problem("inventory_hostname", show(host), expected, "Rename the host in the inventory")])
    path, kept = os.path.join(folder, f"{host}.yml"), ""
    try:
        if os.path.lexists(path) and not _same(path, text):
            path, kept = f"{path}.new", path
        changed = not (os.path.lexists(path) and _same(path, text))
        if changed and not check_mode:
            os.makedirs(folder, mode=0o700, exist_ok=True)
            _write(path, text)
    except OSError as error:
        found = f"{show(folder)} ({error.strerror})"
        raise InvalidInput([Problem("dest", found, "a folder that can be written", "Choose another one")]) from None
    return Written(path, changed, kept)
