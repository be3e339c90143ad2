# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks an environment's own interpreter which dotted names are there.

An import may end the process, or never end. What was answered before stays; the rest is asked again without the culprit.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Optional

from .commands import EnvironmentFailure, Output, User, acting_as
from .pip_runner import workspace
from .reference_probe import PROBE
from .source_names import Target

#: How an interpreter is run: argument list, variables, seconds.
Run = Callable[[Sequence[str], Mapping[str, str], Optional[float]], Output]
#: Seconds that one import, and that one process, may take.
IMPORT_LIMIT = 60.0
PROCESS_LIMIT = 900.0
#: Processes that may end early in one environment.
MOST_CRASHES = 20

THERE = "ok"
GONE = "gone"
FAILED = "failed"
UNKNOWN = "unknown"


class Question(NamedTuple):
    """Whether a target is there; of a ``called`` one also how it can be called."""

    target: Target
    called: bool = False


@dataclass(frozen=True)
class Answer:
    """``verdict`` is one of ``ok``, ``gone``, ``failed`` (its module cannot be imported; ``why`` says it), ``unknown``.

    ``depth`` is the number of attributes that are there, -1 when the module is not; ``callable`` describes a function or class.
    """

    verdict: str
    why: str = ""
    depth: int = -1
    callable: Optional[Mapping[str, Any]] = None


@dataclass
class Answers:
    """The answers of one environment, and the version of its Python."""

    python: tuple[int, ...] = ()
    by_question: dict[Question, Answer] = field(default_factory=dict)

    def of(self, target: Target) -> Answer:
        """Return what was said of a target."""
        for called in (True, False):
            found = self.by_question.get(Question(target, called))
            if found is not None:
                return found
        return Answer(UNKNOWN)


class _Session:
    """The files between the questions and the answers, in a folder of the user's own."""

    def __init__(self, python: str, folder: str, user: User, run: Run) -> None:
        self.python, self.folder, self.user, self.run = python, folder, user, run

    def _write(self, name: str, text: str) -> str:
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as stream:
            stream.write(text)
        return path

    def ask(self, questions: Sequence[Question]) -> tuple[list[list[Any]], str]:
        """Return the lines that the program wrote, and how it ended when it said nothing of that itself.

        Raises :class:`EnvironmentFailure` when it wrote nothing.
        """
        asked = json.dumps([[one.target.module, one.target.chain, one.called] for one in questions])
        with acting_as(self.user):
            program, file = self._write("probe.py", PROBE), self._write("questions.json", asked)
            answers = self._write("answers.json", "")
        argv = [self.python, "-I", "-B", program, file, answers, str(IMPORT_LIMIT)]
        try:
            output = self.run(argv, {}, PROCESS_LIMIT)
        except EnvironmentFailure as failure:
            said, ended = str(failure), "it took too long"
        else:
            said = f"{self.python} does not run: {_last_line(output)}"
            killed = f"the process was killed by signal {-output.status}"
            ended = killed if output.status < 0 else "the process ended, or it took too long"
        with acting_as(self.user), open(answers, encoding="utf-8") as stream:
            lines = [line for line in map(_parsed, stream) if line]
        if not lines:
            raise EnvironmentFailure(said)
        return lines, ended


def _last_line(output: Output) -> str:
    lines = (output.stderr or output.stdout).strip().splitlines()
    return lines[-1] if lines else f"exit status {output.status}"


def _parsed(line: str) -> list[Any]:
    try:
        return list(json.loads(line))
    except ValueError:
        return []


def _is_below(module: str, top: str) -> bool:
    return module == top or module.startswith(f"{top}.")


def ask_environment(virtualenv: str, questions: Iterable[Question], user: User, run: Run) -> Answers:
    """Return the answers of an environment's interpreter, run as ``user``.

    Raises :class:`EnvironmentFailure` when it does not run at all.
    """
    python = os.path.join(virtualenv, "bin", "python")
    answers = Answers()
    # Neighbours share what they import; the order makes two runs alike.
    left = sorted(set(questions))
    with workspace(user, os.path.join(virtualenv, "references")) as folder:
        session = _Session(python, folder, user, run)
        for _crash in range(MOST_CRASHES):
            if not left:
                break
            lines, ended = session.ask(left)
            left = _take(answers, left, lines, ended)
    for question in left:
        answers.by_question[question] = Answer(UNKNOWN, "too many imports ended the process")
    return answers


def _take(answers: Answers, asked: Sequence[Question], lines: Sequence[list[Any]], ended: str) -> list[Question]:
    """Keep the answers of one process and return the questions that are still open, without the culprit's."""
    importing, asking = "", -1
    for kind, *rest in lines:
        if kind == "python":
            answers.python = tuple(rest[0])
        elif kind == "import":
            importing = rest[0]
        elif kind == "ask":
            importing, asking = "", rest[0]
        elif kind == "answer":
            number, verdict, why, depth, described = rest
            importing, asking = "", -1
            answers.by_question[asked[number]] = Answer(verdict, why, depth, described)
        elif kind == "done":
            return []
    left = []
    for number, question in enumerate(asked):
        if question in answers.by_question:
            continue
        if number == asking or (importing and _is_below(question.target.module, importing)):
            answers.by_question[question] = Answer(FAILED, ended)
        else:
            left.append(question)
    return left
