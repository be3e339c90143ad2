# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Command lines of a Python, read as Python reads them (python(1)), and the variables that say the same."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

#: Options of one letter that take the rest of their word, or the next word.
_WITH_VALUE = "XW"
#: Those that take a value, too, and behind which everything belongs to the program.
_PROGRAM = "cm"
#: ``--jit`` is PyPy's. No ``=`` is allowed in any of them.
_LONG_WITH_VALUE = ("--check-hash-based-pycs", "--jit")
#: Where the program comes from when it is a file, or is read from standard input.
SCRIPT, INPUT = "script", "-"
#: The first Python that knows ``PYTHONSAFEPATH``.
_SAFE_PATH = (3, 11)
#: Of these servers. gunicorn also changes to the one of ``--chdir``.
_FOLDERS = ("--app-dir", "--chdir", "--pythonpath", "--workdir")
_FROM_WORKING_DIRECTORY = frozenset(
    ("gunicorn", "uvicorn", "hypercorn", "daphne", "celery", "flask", "dramatiq", "huey_consumer", "granian")
)


@dataclass(frozen=True)
class PythonCommand:
    """How a Python was started: its ``options`` of one letter, and the ``source`` of its program.

    The source is ``c``, ``m``, :data:`SCRIPT` or :data:`INPUT`; ``program`` is the code, the module or the path, and ``arguments`` are
    those of the program.
    """

    options: frozenset[str]
    source: str
    program: str = ""
    arguments: tuple[str, ...] = ()

    @property
    def ignores_variables(self) -> bool:
        """Whether no variable of Python counts."""
        return bool(self.options & {"E", "I"})

    def is_set(self, name: str, variables: Mapping[str, str]) -> bool:
        """Whether a variable that is on or off is on: ``0`` counts as nothing there."""
        return not self.ignores_variables and variables.get(name, "") not in ("", "0")

    def first_folder(self, variables: Mapping[str, str], version: str, working_directory: str) -> str:
        """Return the folder that a Python of ``version`` searches first; empty where it was told not to.

        That is the folder of a script, links resolved, or a script that is a folder itself (or a zip file), and for what is no file
        the working directory. Some servers then put another one before it, whatever Python was told: the working directory (seen of
        gunicorn 27, uvicorn 0.54, hypercorn 0.18, daphne 4.2, celery 5.7, flask 3.1, dramatiq 2.2, huey 3.5 and granian 2.8; not so
        waitress 3.0 and rq 3.0), or the one that an option of theirs names.
        """
        path = os.path.join(working_directory, self.program)
        if self.source in (SCRIPT, "m") and os.path.basename(self.program) in _FROM_WORKING_DIRECTORY:
            return os.path.normpath(os.path.join(working_directory, self._own_folder()))
        # Of this variable any text counts, also 0.
        knows = tuple(int(part) for part in version.split(".")[:2] if part.isdigit()) >= _SAFE_PATH
        if self.options & {"I", "P"} or (knows and not self.ignores_variables and variables.get("PYTHONSAFEPATH")):
            return ""
        if self.source != SCRIPT:
            return working_directory
        path = os.path.realpath(path)
        return path if os.path.isdir(path) else os.path.dirname(path)

    def _own_folder(self) -> str:
        """Return the folder that an option of a server names; empty for none."""
        words = iter(self.arguments)
        for word in words:
            option, equals, value = word.partition("=")
            if option in _FOLDERS:
                return value if equals else next(words, "")
        return ""

    def looks_into_user_site(self, variables: Mapping[str, str]) -> bool:
        """Whether the user's own site-packages are searched, where there are any."""
        return not (self.options & {"I", "s", "S"} or self.is_set("PYTHONNOUSERSITE", variables))


def parse(argv: Sequence[str]) -> PythonCommand:
    """Return how a Python was started; the first of ``argv`` is the Python itself."""
    words = iter(argv[1:])
    options: set[str] = set()
    for word in words:
        if word == "--":
            word = next(words, INPUT)
            return PythonCommand(frozenset(options), INPUT if word == INPUT else SCRIPT, word, tuple(words))
        if not word.startswith("-") or word == INPUT:
            return PythonCommand(frozenset(options), INPUT if word == INPUT else SCRIPT, word, tuple(words))
        if word.startswith("--"):
            if word in _LONG_WITH_VALUE:
                next(words, None)
            continue
        for index, letter in enumerate(word[1:], 2):
            if letter in _PROGRAM:
                program = word[index:] or next(words, "")
                return PythonCommand(frozenset(options), letter, program, tuple(words))
            options.add(letter)
            if letter in _WITH_VALUE:
                if not word[index:]:
                    next(words, None)
                break
    return PythonCommand(frozenset(options), INPUT)
