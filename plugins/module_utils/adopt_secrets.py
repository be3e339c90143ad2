# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps secrets out of the lists: a variable stands where a service has one."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence

from .masking import SECRET_NAME, has_credentials

_SPEAKING = rf"[\w.-]*(?:{SECRET_NAME.pattern})[\w.-]*"
#: A word as a shell and systemd read it: parts in quotes, characters behind a backslash, and all but blanks.
_VALUE = r"""(?P<value>(?:"(?:\\.|[^"\\])*"|'[^']*'|\\.|[^\s"'\\])+)"""
_ASSIGNED = re.compile(rf"(?P<name>{_SPEAKING})(?P<sign>=){_VALUE}", re.IGNORECASE | re.DOTALL)
_OPTION = re.compile(rf"(?<!\S)-(?P<name>-?{_SPEAKING})(?P<sign>\s+)(?!-){_VALUE}", re.IGNORECASE | re.DOTALL)
#: The same, with the quotes around all of it, unless these are around a script.
_QUOTED = re.compile(
    rf"""(?<!-c )(?<!-ec )(?<!-lc )(?P<quote>["'])(?P<name>{_SPEAKING})(?P<sign>=)(?P<value>(?:\\.|(?!(?P=quote)).)+)(?=(?P=quote))""",
    re.IGNORECASE | re.DOTALL,
)
_SCRIPT_FOLLOWS = re.compile(r"-[a-z]*c\Z")
_IS_OPTION = re.compile(rf"--?(?P<name>{_SPEAKING})\Z", re.IGNORECASE)
_IS_ASSIGNED = re.compile(rf"(?P<name>{_SPEAKING})=(?P<value>.+)\Z", re.IGNORECASE | re.DOTALL)
#: The name of a variable, which is no secret, and what a shell takes for the end of a word.
_REFERENCE = re.compile(r"\$(?:\w+|\{\w+\})\Z")
_ENDS = ";|&)"
_OPERATOR = re.compile(r"[;|&()<>`]")
_ADDRESS = re.compile(r"[A-Za-z][\w+.-]*://[^\s/?#\"'@]+@[^\s\"']*")
#: What Ansible would take for a template.
_TEMPLATE = re.compile(r"\{[{%#]")
_PLACEHOLDER = re.compile(r"(=?[\"']?\{\{ vault_[a-z0-9_]+ \}\}[\"']?)")
_NO_VARIABLE = re.compile(r"[^a-z0-9]+")


def speaks_of_secret(name: str) -> bool:
    """Whether what has this name may be a secret."""
    return SECRET_NAME.search(name) is not None


def is_template(text: str) -> bool:
    """Whether Ansible would take a part of ``text`` for a template."""
    return _TEMPLATE.search(text) is not None


def _is_no_secret(value: str) -> bool:
    """Whether it is the name of a file that is there, or of a variable."""
    return _REFERENCE.match(value) is not None or (value.startswith("/") and os.path.exists(value))


class Secrets:
    """The secrets of one service, by the variables that stand for them.

    ``known`` has those of the whole host: services of one name do not get each other's secrets.
    """

    def __init__(self, service: str, known: dict[str, str]) -> None:
        self._service = service
        self._values = known
        self.variables: list[str] = []

    def placeholder(self, name: str, value: str) -> str:
        """Return a template that stands for ``value``; the same one for the same name and value."""
        base = _NO_VARIABLE.sub("_", f"vault_{self._service}_{name}".lower()).strip("_")
        variable, number = base, 2
        while self._values.setdefault(variable, value) != value:
            variable, number = f"{base}_{number}", number + 1
        if variable not in self.variables:
            self.variables.append(variable)
        return f"{{{{ {variable} }}}}"

    def environment(self, variables: Mapping[str, str]) -> dict[str, str]:
        """Return the variables of an environment without secrets."""
        return {
            name: self.placeholder(name, value)
            if value and (speaks_of_secret(name) or has_credentials(value))
            else self.text(value)
            for name, value in variables.items()
        }

    def argv(self, words: Sequence[str]) -> list[str]:
        """Return a command without secrets; what stands behind an option that speaks of one is one."""
        hidden = []
        option, is_script = "", False
        for word in words:
            assigned = None if is_script else _IS_ASSIGNED.match(word)
            if option and not word.startswith("-") and not _is_no_secret(word):
                hidden.append(self.placeholder(option, word))
            elif assigned and not _is_no_secret(assigned["value"]):
                name = assigned["name"]
                hidden.append(f"{name}={self.placeholder(name.strip('-'), assigned['value'])}")
            else:
                hidden.append(self.text(word))
            match = _IS_OPTION.match(word)
            option, is_script = match["name"] if match else "", _SCRIPT_FOLLOWS.match(word) is not None
        return hidden

    def text(self, text: str) -> str:
        """Return any text without secrets: values of names that speak of them, and addresses with credentials."""
        known, is_odd = len(self.variables), False

        def hide(match: re.Match[str]) -> str:
            nonlocal is_odd
            written = match["value"].rstrip(_ENDS)
            is_whole = written[:1] in ('"', "'") and written.count(written[0]) == 2 and written[-1] == written[0]
            value = written[1:-1] if is_whole else written
            if not value or _is_no_secret(value):
                return match[0]
            is_odd = is_odd or (not is_whole and _OPERATOR.search(value) is not None)
            quote, end = written[0] if is_whole else "", match["value"][len(written) :]
            begin = match[0][: match.start("value") - match.start()]
            return f"{begin}{quote}{self.placeholder(match['name'].strip('-'), value)}{quote}{end}"

        hidden = text
        for pattern in (_QUOTED, _ASSIGNED, _OPTION):
            # What one pattern has hidden is nothing for the next one.
            parts = _PLACEHOLDER.split(hidden)
            hidden = "".join(part if index % 2 else pattern.sub(hide, part) for index, part in enumerate(parts))
        hidden = _ADDRESS.sub(lambda match: self.placeholder("address", match[0]), hidden)
        if hidden != text and (is_odd or is_template(text)):
            # What is a part of the secret cannot be told, or Ansible would take the rest for a template, too.
            del self.variables[known:]
            return self.placeholder("value", text)
        return hidden

    def told(self) -> str:
        """Return what is to be decided about them; empty where there are none."""
        if not self.variables:
            return ""
        listed = ", ".join(self.variables)
        return f"give a value to {listed} (ansible-vault), or put the secret into environment_files or credentials"
