# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs that take a secret behind an option whose name does not say so, such as ``mysql -p``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Optional

#: Programs, and their options with a secret: in the same word (``value``), or where that is empty in the next one.
_OPTIONS = (
    ("mysql mysqldump mysqladmin mysqlimport mysqlcheck mariadb mariadb-dump mariadb-admin mariadb-import", "-p"),
    ("mongo mongosh mongodump mongorestore mongoexport mongoimport sshpass rabbitmqadmin twine 7z 7za 7zz", "-p"),
    # docker login, podman login, helm registry login
    ("login", "-p"),
    ("redis-cli valkey-cli keydb-cli", "-a"),
    ("ldapsearch ldapmodify ldapadd ldapdelete ldapwhoami ldapcompare", "-w"),
    ("ldappasswd", "-[was]"),
    ("mosquitto_pub mosquitto_sub mosquitto_rr sqlcmd bcp ipmitool zip unzip", "-P"),
    ("snmpget snmpgetnext snmpwalk snmpbulkwalk snmpset snmptrap", "-[cAX]"),
    ("smbclient rpcclient", "-U"),
    ("lftp", "-u"),
    # Letters of options without a value may stand before it.
    ("curl", "-[#0-9fgikLnNsSv]*[uU]"),
)
_LONG = {"curl": "--(?:proxy-)?user"}
_CLIENTS = {
    name: re.compile(rf"(?:{_LONG.get(name, option)}|{option}(?P<value>.*))\Z", re.DOTALL)
    for names, option in _OPTIONS
    for name in names.split()
}
#: A word as a shell takes it, in whatever quotes, or what ends a command.
_SHELL_WORD = re.compile(r"""(?P<end>[;|&()\n]+)|(?:"(?:\\.|[^"\\])*"|'[^']*'|\\.|[^\s"'\\;|&()])+""", re.DOTALL)
_QUOTED = re.compile(r"""(["'])(.*)\1\Z""", re.DOTALL)


class Clients:
    """Says of one word of a command after the other where the secret in it begins."""

    def __init__(self) -> None:
        self._options: Optional[re.Pattern[str]] = None
        self._is_value = False

    def secret_in(self, word: str) -> Optional[int]:
        """Return where the secret in ``word`` begins; ``None`` where there is none."""
        if self._is_value:
            self._is_value = False
            return None if word.startswith("-") else 0
        found = self._options.match(word) if self._options else None
        if found is None:
            self._options = _CLIENTS.get(word.rpartition("/")[2], self._options)
            return None
        self._is_value = not found["value"]
        return found.start("value") if found["value"] else None


def secrets_in(text: str, begin: int = 0) -> Iterator[tuple[int, int]]:
    """Yield where the secrets of a line for a shell begin and end, those of a line in quotes as well."""
    clients = Clients()
    for match in _SHELL_WORD.finditer(text):
        if match["end"]:
            clients = Clients()
            continue
        quoted = _QUOTED.match(match[0])
        word, ahead = (quoted[2], 1) if quoted else (match[0], 0)
        secret = clients.secret_in(word)
        start = begin + match.start() + ahead
        if secret is not None:
            yield start + secret, start + len(word)
        elif quoted and re.search(r"\s", word):
            yield from secrets_in(word, start)
