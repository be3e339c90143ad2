# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Unit files as systemd reads them: sections and directives, words, commands, specifiers.

The rules are those of systemd.syntax(7), systemd.unit(5) "Specifiers" and systemd.service(5) "Command lines".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Optional, Union

#: section -> directive -> its values, those before an empty one left out.
Sections = dict[str, dict[str, list[str]]]
_SHORT_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "s": " "}
_SHORT_ESCAPES.update({character: character for character in "\\\"'"})
_CODE = re.compile(r"x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-3][0-7]{2})")
#: Specifiers with one value on every host, for the manager of the system.
_FIXED = {"t": "/run", "S": "/var/lib", "C": "/var/cache", "L": "/var/log", "E": "/etc", "T": "/tmp", "V": "/var/tmp"}
_FIXED.update({"u": "root", "U": "0", "h": "/root"})
#: Directives for which nothing is a value of its own.
_EMPTY_COUNTS = ("CapabilityBoundingSet",)
#: systemd.unit(5), "Example 2": dependencies cannot be reset to an empty list.
_NEVER_RESET = (
    *(
        "After",
        "Before",
        "Wants",
        "Requires",
        "Requisite",
        "BindsTo",
        "PartOf",
        "Upholds",
        "Conflicts",
        "OnFailure",
        "OnSuccess",
    ),
    *("PropagatesReloadTo", "ReloadPropagatedFrom", "PropagatesStopTo", "StopPropagatedFrom", "JoinsNamespaceOf"),
)
#: Old names, which systemd still reads, and where they belong today.
_RENAMED = {
    ("Service", "StartLimitInterval"): ("Unit", "StartLimitIntervalSec"),
    ("Service", "StartLimitBurst"): ("Unit", "StartLimitBurst"),
    ("Service", "StartLimitAction"): ("Unit", "StartLimitAction"),
    ("Service", "FailureAction"): ("Unit", "FailureAction"),
    ("Service", "SuccessAction"): ("Unit", "SuccessAction"),
    ("Unit", "StartLimitInterval"): ("Unit", "StartLimitIntervalSec"),
    ("Service", "MemoryLimit"): ("Service", "MemoryMax"),
}


def _joined(text: str) -> Iterator[str]:
    """Yield the lines without comments; one that ends with a backslash goes on in the next one."""
    whole = ""
    for line in text.split("\n"):
        if line.lstrip().startswith(("#", ";")):
            continue
        whole += line if whole else line.lstrip()
        if (len(whole) - len(whole.rstrip("\\"))) % 2:
            whole = f"{whole[:-1]} "
            continue
        yield whole.strip()
        whole = ""
    yield whole.strip()


def sections_in(texts: Iterable[str]) -> Sections:
    """Return what several files of one unit say together, old names replaced."""
    found: Sections = {}
    for text in texts:
        section = ""
        for line in _joined(text):
            if line.startswith("["):
                section = line.strip("[]")
                continue
            directive, equals, value = (part.strip() for part in line.partition("="))
            if not (section and equals):
                continue
            where, name = _RENAMED.get((section, directive), (section, directive))
            lines = found.setdefault(where, {}).setdefault(name, [])
            if not value and name not in _NEVER_RESET:
                lines.clear()
            if value or name in _EMPTY_COUNTS:
                lines.append(value)
    return found


def _escape(text: str, index: int) -> tuple[Optional[str], int]:
    """Return what the escape behind a backslash at ``index`` stands for (``None``: nothing), and where it ends."""
    if text[index : index + 1] in _SHORT_ESCAPES:
        return _SHORT_ESCAPES[text[index]], index + 1
    match = _CODE.match(text, index)
    if match is None:
        return None, index
    base = 8 if match[4] else 16
    code = int(next(filter(None, match.groups())), base)
    # A byte above ASCII may be a part of a character; such text stays as it is.
    if not code or (code > 127 and (match[1] or match[4])):
        return None, index
    return chr(code), match.end()


def words_in(value: str) -> Optional[list[str]]:
    """Return the words of a value, quotes and escapes taken away; ``None`` for what is not understood."""
    words: list[str] = []
    word: Optional[str] = None
    quote, index = "", 0
    while index < len(value):
        character = value[index]
        index += 1
        if character == "\\":
            found, index = _escape(value, index)
            if found is None:
                return None
            word = (word or "") + found
        elif quote:
            if character == quote:
                quote = ""
            else:
                word = (word or "") + character
        elif character in "\"'":
            quote, word = character, word or ""
        elif character in " \t":
            words += [] if word is None else [word]
            word = None
        else:
            word = (word or "") + character
    if quote:
        return None
    return words + ([] if word is None else [word])


def resolved(text: str, unit: str) -> Optional[str]:
    """Return ``text`` with its specifiers replaced, of a template ``%i`` and ``%I`` excepted; ``None`` where only the host can.

    ``unit`` is the name of the unit, or of the template.
    """
    name = unit.rpartition(".")[0]
    own = {**_FIXED, "n": unit, "N": name, "p": name}
    of_template = name.endswith("@")
    parts, index = [], 0
    while index < len(text):
        character, following = text[index], text[index + 1 : index + 2]
        index += 1
        if character != "%":
            parts.append(character)
            continue
        index += 1
        if following == "%":
            # In the lists of a template such a one would be the instance.
            if of_template and text[index : index + 1] in ("i", "I"):
                return None
            parts.append("%")
        elif of_template and following in ("i", "I"):
            parts.append(f"%{following}")
        elif following in own and not (of_template and following in "nNp"):
            parts.append(own[following])
        else:
            return None
    return "".join(parts)


def command_in(value: str, unit: str) -> Union[list[str], str]:
    """Return a command as a list where that starts the same process, else as it is, in systemd's own syntax."""
    words = words_in(value)
    if not words or ";" in words or "\\;" in value:
        return value
    substitutes = not words[0].startswith(":")
    words[0] = words[0].lstrip(":")
    if not words[0].startswith("/"):
        return value
    argv = []
    for number, word in enumerate(words):
        if substitutes and number:
            if "$" in word.replace("$$", ""):
                return value
            word = word.replace("$$", "$")
        literal = resolved(word, unit)
        if literal is None:
            return value
        argv.append(literal)
    return argv


def assignments_in(lines: Iterable[str], unit: str) -> Optional[dict[str, str]]:
    """Return the variables that lines of ``Environment=`` set; ``None`` where only systemd can say."""
    variables = {}
    for line in lines:
        for word in words_in(line) or [""]:
            name, equals, value = word.partition("=")
            literal = resolved(value, unit)
            # Values of a template's variables have no instance in the list.
            if not equals or literal is None or (unit.endswith("@.service") and re.search(r"%[iI]", literal)):
                return None
            variables[name] = literal
    return variables
