# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps secrets out of the lists: a variable stands where a service has one."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .adopt_clients import Clients, secrets_in
from .masking import SECRET_NAME, has_credentials

_NAME = re.compile(rf"{SECRET_NAME.pattern}|PRIVATE|FERNET|PW(?![A-Z])|(?<![A-Z])(?:PAT|PIN)(?![A-Z])", re.IGNORECASE)
#: Bounded, since a certificate is one word to it.
_SPEAKING = rf"[\w.-]{{0,99}}?(?:{_NAME.pattern})[\w.-]{{0,99}}"
#: Other names may stand before a colon without a blank for an application (``auth.wsgi:app``).
_HEADER = rf"(?:(?:proxy-)?authori[sz]ation|x-{_SPEAKING})"
#: A word as a shell and systemd read it: parts in quotes, characters behind a backslash, and all but blanks.
_VALUE = r"""(?P<value>(?:"(?:\\.|[^"\\])*"|'[^']*'|\\.|[^\s"'\\])+)"""
_QUOTE = r"""(?P<quote>\\*["'])"""
#: A value with the quotes around all of it.
_TO_QUOTE = r"(?P<value>(?:(?!(?P=quote))(?:\\.|.))+)(?=(?P=quote))"
#: Of a text in code.
_PREFIX = r"[bBrRfFuU]{0,2}"
#: What is an option, and no secret with a dash ahead.
_OPTION = r"-(?:[A-Za-z]|[a-z]+|-[A-Za-z][\w-]*(?:=\S*)?)?(?!\S)"
#: What a secret looks like in a text, the more exact ones first.
_PATTERNS = tuple(
    re.compile(pattern, re.IGNORECASE | re.DOTALL)
    for pattern in (
        # Of an address; signatures stand for the one who has signed.
        rf"""(?<=[?&])(?:{_SPEAKING}|sig|[\w.-]{{0,99}}signature)=(?P<value>[^\s&#;"'|<>()`\\]+)(?=[&#\s]|["'](?!\w)|\Z)""",
        # Members of an object of JSON.
        rf"{_QUOTE}{_SPEAKING}(?P=quote)\s*:\s*(?P=quote){_TO_QUOTE}",
        rf"{_QUOTE}{_SPEAKING}(?P=quote)\s*:\s*(?P<value>\d{{4,}})(?!\w)",
        # What code assigns or hands over under a name.
        rf"{_QUOTE}{_SPEAKING}(?P=quote)\s*(?:\]\s*=|,|:)\s*{_PREFIX}(?P=quote){_TO_QUOTE}",
        rf"(?<![\w.-]){_SPEAKING}(?:\s*:\s*\w+)?\s*=\s*{_PREFIX}(?P<quote>\"\"\"|'''){_TO_QUOTE}",
        rf"(?<![\w.-]){_SPEAKING}(?:\s*:\s*\w+)?(?:\s+=\s*|\s*=\s+|\s*=\s*[bBrRfFuU]{{1,2}}){_PREFIX}{_QUOTE}{_TO_QUOTE}",
        # All of a word, unless the quotes are around a script.
        rf"(?<!-c )(?<!-ec )(?<!-lc ){_QUOTE}{_SPEAKING}(?:=|:\s+){_TO_QUOTE}",
        rf"""(?<![\w-]){_HEADER}\s*:\s*(?P<value>(?:\\.|[^"'\\\s])(?:\\.|[^"'\\\n])*)""",
        rf"(?<![\w.-]){_SPEAKING}={_VALUE}",
        rf"(?<!\S)--?{_SPEAKING}\s+(?!{_OPTION}){_VALUE}",
        rf"(?<!\w)(?-i:Bearer)\s+{_VALUE}",
    )
)
_NAMED = re.compile(rf"{_SPEAKING}|sig\b|[\w.-]{{0,99}}signature", re.IGNORECASE)
#: A member that holds others: which of them are secrets cannot be told.
_IN_MEMBER = re.compile(rf"""["']{_SPEAKING}\\*["']\s*:\s*[\[{{]""", re.IGNORECASE)
#: RFC 7468.
_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY")
_OBJECT = ("{", "[")
_SCRIPT_FOLLOWS = re.compile(r"-[a-z]*c\Z")
_IS_ANY_OPTION = re.compile(rf"{_OPTION}\Z")
_IS_OPTION = re.compile(rf"--?(?P<name>{_SPEAKING})\Z", re.IGNORECASE)
_IS_ASSIGNED = re.compile(rf"(?P<name>{_SPEAKING})=(?P<value>.+)\Z", re.IGNORECASE | re.DOTALL)
_IS_HEADER = re.compile(rf"(?:--?[\w-]+=)?(?P<name>{_SPEAKING}):\s+(?P<value>.+)\Z", re.IGNORECASE | re.DOTALL)
#: How a secret is called whose option does not say what it is.
_OF_CLIENT = "password"
#: The name of a variable, which is no secret, and what a shell takes for the end of a word.
_REFERENCE = re.compile(r"\$(?:\w+|\{\w+\})\Z")
_ENDS = ";|&)"
_OPERATOR = re.compile(r"[;|&()<>`]")
#: With credentials, or who knows it may send something there: what it is called, or a word of its path, says so.
_ADDRESS = re.compile(
    r"""[A-Za-z][\w+.-]*://(?:[^\s/?#"'@]+@[^\s"']*|[^\s"']*(?:hook|/bot\d+:)[^\s"']*"""
    r"""|[^\s"']*?/(?=[^\s"'/?.]*[A-Za-z])(?=(?:[^\s"'/?.]*\d){4})[\w-]{20,}(?![\w.-])[^\s"']*)"""
)
#: What Ansible would take for a template.
_TEMPLATE = re.compile(r"\{[{%#]")
_PLACEHOLDER = re.compile(r"(=?[\"']?\{\{ vault_[a-z0-9_]+(?: \| string)? \}\}[\"']?)")
_VARIABLE = re.compile(r"\{\{ (vault_[a-z0-9_]+)(?: \| string)? \}\}")
_NO_VARIABLE = re.compile(r"[^a-z0-9]+")


def speaks_of_secret(name: str) -> bool:
    """Whether what has this name may be a secret."""
    return _NAME.search(name) is not None


def is_template(text: str) -> bool:
    """Whether Ansible would take a part of ``text`` for a template."""
    return _TEMPLATE.search(text) is not None


def filled(value: Any) -> Any:
    """Return what a list holds with a word in the place of each variable for a secret: systemd takes its blanks for ends of words."""
    if isinstance(value, str):
        return _VARIABLE.sub(r"\1", value)
    if isinstance(value, Mapping):
        return {key: filled(member) for key, member in value.items()}
    return [filled(member) for member in value] if isinstance(value, list) else value


def _is_no_secret(value: str) -> bool:
    """Whether it is the name of a file that is there, or of a variable, also of one that stands for a secret."""
    is_variable = _REFERENCE.match(value) or _PLACEHOLDER.fullmatch(value)
    return is_variable is not None or (value.startswith("/") and os.path.exists(value))


def _replaced(pattern: re.Pattern[str], hide: Callable[[str, str], str], text: str) -> str:
    """Return ``text`` with each value that ``pattern`` finds hidden; what was hidden before is nothing for it."""

    def replace(match: re.Match[str]) -> str:
        before, after = match[0][: match.start("value") - match.start()], match[0][match.end("value") - match.start() :]
        named = _NAMED.search(before)
        return before + hide(match["value"], named[0] if named else "bearer") + after

    parts = _PLACEHOLDER.split(text)
    return "".join(part if index % 2 else pattern.sub(replace, part) for index, part in enumerate(parts))


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
        # Before ansible-core 2.19 text that looks like an object became one.
        return f"{{{{ {variable}{' | string' if value.startswith(_OBJECT) else ''} }}}}"

    def environment(self, variables: Mapping[str, str]) -> dict[str, str]:
        """Return the variables of an environment without secrets."""
        return {
            name: self.placeholder(name, value)
            if value and (speaks_of_secret(name) or has_credentials(value)) and not _PLACEHOLDER.fullmatch(value)
            else self._word(value)
            for name, value in variables.items()
        }

    def argv(self, words: Sequence[str]) -> list[str]:
        """Return a command without secrets; what stands behind an option that speaks of one is one."""
        hidden = []
        option, is_script, clients = "", False, Clients()
        for word in words:
            begin = clients.secret_in(word)
            assigned = None if is_script else _IS_ASSIGNED.match(word)
            if option and not _IS_ANY_OPTION.match(word) and not _is_no_secret(word):
                hidden.append(self.placeholder(option, word))
            elif assigned and not _is_no_secret(assigned["value"]):
                name = assigned["name"]
                hidden.append(f"{name}={self.placeholder(name.strip('-'), assigned['value'])}")
            elif begin is not None and not _is_no_secret(word[begin:]):
                hidden.append(f"{word[:begin]}{self.placeholder(_OF_CLIENT, word[begin:])}")
            else:
                hidden.append(self.text(word) if is_script else self._word(word))
            match = _IS_OPTION.match(word)
            option, is_script = match["name"] if match else "", _SCRIPT_FOLLOWS.match(word) is not None
        return hidden

    def _word(self, word: str) -> str:
        """Return one word, or the value of a variable, without secrets."""
        header = _IS_HEADER.match(word)
        if header and not _is_no_secret(header["value"]):
            return word[: header.start("value")] + self.placeholder(header["name"].strip("-"), header["value"])
        return self.text(word)

    def text(self, text: str) -> str:
        """Return any text without secrets: values of names that speak of them, and addresses with credentials."""
        known, is_odd = len(self.variables), (_IN_MEMBER.search(text) or _KEY.search(text)) is not None

        def hide(written: str, name: str) -> str:
            nonlocal is_odd
            core = written.rstrip(_ENDS)
            is_whole = core[:1] in ('"', "'") and core.count(core[0]) == 2 and core[-1] == core[0]
            value = core[1:-1] if is_whole else core
            if not value or _is_no_secret(value):
                return written
            is_odd = is_odd or (not is_whole and _OPERATOR.search(value) is not None)
            quote = core[0] if is_whole else ""
            return f"{quote}{self.placeholder(name.strip('-'), value)}{quote}{written[len(core) :]}"

        hidden, end = "", 0
        for start, stop in secrets_in(text):
            hidden, end = hidden + text[end:start] + hide(text[start:stop], _OF_CLIENT), stop
        hidden += text[end:]
        # With a secret in its query as well, an address is one secret.
        hidden = self._without_addresses(hidden, "?")
        for pattern in _PATTERNS:
            hidden = _replaced(pattern, hide, hidden)
        hidden = self._without_addresses(hidden)
        if is_odd or (hidden != text and (is_template(text) or text.startswith(_OBJECT))):
            # What is a part of the secret cannot be told, or Ansible would take the rest for a template or an object.
            del self.variables[known:]
            return self.placeholder("value", text)
        return hidden

    def _without_addresses(self, text: str, within: str = "") -> str:
        """Return ``text`` without the addresses that have credentials, and ``within`` somewhere."""
        parts = _PLACEHOLDER.split(text)
        return "".join(
            part
            if index % 2
            else _ADDRESS.sub(
                lambda match: self.placeholder("address", match[0]) if within in match[0] else match[0], part
            )
            for index, part in enumerate(parts)
        )

    def told(self) -> str:
        """Return what is to be decided about them; empty where there are none."""
        if not self.variables:
            return ""
        listed = ", ".join(self.variables)
        return f"give a value to {listed} (ansible-vault), or put the secret into environment_files or credentials"
