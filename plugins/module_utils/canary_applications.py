# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The application that a command gives to a server, which another process can import as the server does."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass

_SERVERS = ("gunicorn", "uvicorn", "hypercorn", "daphne", "granian", "waitress-serve", "celery")
#: ``package.module:name``, or of gunicorn the module alone.
_TARGET = re.compile(r"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*):([A-Za-z_][\w.]*)(\(.*\))?\Z")
_MODULE = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*\Z")
#: Options of these servers without a value; any other takes the next word.
_FLAGS = re.compile(
    r"-D|--(?:daemon|reload|preload|factory|spew|check-config|print-config|enable-stdio-inheritance|reuse-port|no-sendfile|"
    r"(?:no-)?(?:proxy-headers|server-header|date-header|use-colors|access-log|proxy-protocol|log-request-id)|"
    r"disable-redirect-access-to-syslog|debug|log-syslog|statsd-.*|reuse)\Z"
)
_APPLICATION = ("-A", "--app")
_FOLDERS = ("--chdir", "--app-dir", "--workdir", "--pythonpath")
#: Where a server is told how to log, or a factory is to be called: the import alone does not show it.
_CONFIGURED = re.compile(
    r"--?(?:log-?config|log-config-json|logconfig|logconfig-json|log-ini|config|c|factory)(?:=.*)?\Z"
)
_PYTHON = re.compile(r"(?:python|pypy)[0-9.]*[td]?\Z")


@dataclass(frozen=True)
class Served:
    """What a server runs: the ``module`` to import, and the folders that are searched for it before any other one.

    ``elsewhere`` is whether something else than the import may configure logging.
    """

    module: str = ""
    folders: tuple[str, ...] = ()
    elsewhere: bool = False


def _command(argv: Sequence[str]) -> tuple[str, list[str]]:
    """Return the name of the program that a command runs, past a Python before it, and its arguments."""
    words = list(argv)
    if words and _PYTHON.match(os.path.basename(words[0])):
        del words[0]
        if words[:1] == ["-m"]:
            del words[0]
        elif words and words[0].startswith("-"):
            return "", []
    return (os.path.basename(words[0]).partition(".")[0], words[1:]) if words else ("", [])


def served_by(argv: Sequence[str], cwd: str) -> Served:
    """Return what a command serves from the working directory ``cwd``; nothing where it is no known server."""
    server, words = _command(argv)
    if server not in _SERVERS:
        return Served()
    module, folders, elsewhere, last = "", [], server == "celery", ""
    waiting = iter(words)
    for word in waiting:
        option, equals, value = word.partition("=")
        elsewhere = elsewhere or _CONFIGURED.match(word) is not None
        if not word.startswith("-"):
            last = word
        elif not (equals or _FLAGS.match(word)):
            value = next(waiting, "")
        if option in _FOLDERS:
            folders += [os.path.join(cwd, one) for one in value.split(",")]
        elif option in _APPLICATION:
            module = value.partition(":")[0]
    target = _TARGET.match(last)
    if server != "celery":
        module = target[1] if target else last if server == "gunicorn" else ""
        elsewhere = elsewhere or bool(target and target[3])
    return Served(module if _MODULE.match(module) else "", (*folders, cwd), elsewhere)
