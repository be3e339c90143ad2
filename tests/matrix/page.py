# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What people read of the records: ``docs/matrix.md``, and the sentence of the README that says what is tested."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from .matrix import CORE, PYTHON, Matrix
from .records import FAILED, NOT_RUN, PASSED, Record

PATH = Path("docs/matrix.md")
CONTROLLER = "controller"
Records = Mapping[str, Record]

HEAD = """\
# What was tested where

`make prove` writes this page from [proofs.json](proofs.json), which has the commit, day, seed and seconds of each cell. A cell is one test at
one place. `make release-check` says which of them are older than the code that they cover. [Testing](testing.md) tells how all this works.
"""


def render(matrix: Matrix, records: Records) -> str:
    """Return the page."""
    releases = list(matrix.releases)
    parts = [
        HEAD,
        _section(
            "Debian releases",
            "Everything that is about the host, with the systemd and the Python of the release.",
            _grid(records, releases, matrix.releases, {"systemd": "systemd", "Python": "python3"}),
        ),
        _section(
            "ansible-core",
            "The core's unit tests, `ansible-test sanity`, and deployments to a host.",
            _grid(
                records,
                [f"{CORE}{version}" for version in matrix.cores],
                {f"{CORE}{version}": version for version in matrix.cores},
                {"ansible-core": "ansible-core", "Python of the controller": "controller python"},
            ),
        ),
        _section(
            "Python",
            "A service in a virtual environment of each is deployed, killed, comes back, and its record is in the journal. "
            "The module pip_pinned is run with some of them.",
            _grid(
                records,
                [f"{PYTHON}{version}" for version in matrix.interpreters],
                {f"{PYTHON}{version}": version for version in matrix.interpreters},
                {"Python": "service python", "on": "release"},
            ),
        ),
        _section(
            "The controller alone",
            "Tests that need no host, or one that is not part of what they are about.",
            _grid(records, [CONTROLLER], {CONTROLLER: "result"}, {"ansible-core": "ansible-core"}),
        ),
        _section("Long proofs", "Random cases at full number; the seed repeats them.", _proofs(matrix, records)),
        _section("Not run", "What the machine of the last run could not show.", _not_run(matrix, records)),
    ]
    return "\n".join(parts)


def claim(matrix: Matrix, records: Records) -> str:
    """Return the sentence of the README: only places are named of which every record says that it passed."""
    releases = [name for name in matrix.releases if _good(records, name)]
    numbers = _list([matrix.releases[name].removeprefix("Debian ") for name in releases])
    known = [version for version in matrix.cores if _good(records, f"{CORE}{version}")]
    pythons = [version for version in matrix.interpreters if _good(records, f"{PYTHON}{version}")]
    return (
        f"Tested on Debian {numbers}, with ansible-core {_list(known)}, and services on Python {_list(pythons)}: "
        f"[what was tested where]({PATH})."
    )


def _list(names: Sequence[str]) -> str:
    if not names:
        return "(none yet)"
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else names[0]


def _good(records: Records, place: str) -> bool:
    found = [record.result for name, record in records.items() if name.endswith(f"/{place}")]
    return PASSED in found and FAILED not in found and NOT_RUN not in found


def _section(title: str, sentence: str, table: Iterable[str]) -> str:
    lines = list(table)
    return "\n".join([f"## {title}", "", sentence, "", *lines, ""]) if lines else f"## {title}\n\nNothing.\n"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    body = [f"| {' | '.join(row)} |" for row in rows]
    return [f"| {' | '.join(head)} |", f"| {' | '.join('---' for _column in head)} |", *body] if body else []


def _grid(records: Records, places: Sequence[str], names: Mapping[str, str], versions: Mapping[str, str]) -> list[str]:
    """Return a table with a column for each place and a row for each test that any of them has."""
    tests = dict.fromkeys(name.rpartition("/")[0] for name in sorted(records) if name.rpartition("/")[2] in places)
    if not tests:
        return []
    rows = [[title, *(_version(records, place, key) for place in places)] for title, key in versions.items()]
    rows += [[f"`{test}`", *(_cell(records.get(f"{test}/{place}")) for place in places)] for test in tests]
    return _table(["test", *(names[place] for place in places)], rows)


def _version(records: Records, place: str, key: str) -> str:
    found = {record.versions.get(key) for name, record in records.items() if name.endswith(f"/{place}")}
    return ", ".join(sorted(filter(None, found)))


def _cell(record: Record | None) -> str:
    if record is None:
        return ""
    if record.result != PASSED:
        return f"**{record.result}**"
    shown = f"{record.passed} passed" if record.passed else "passed"
    return f"{shown}, {len(record.not_run)} not run" if record.not_run else shown


def _place(matrix: Matrix) -> Callable[[str], str]:
    def named(place: str) -> str:
        if place.startswith(CORE):
            return f"ansible-core {place.removeprefix(CORE)}"
        return matrix.releases.get(place, place.replace(PYTHON, "Python ", 1))

    return named


def _proofs(matrix: Matrix, records: Records) -> list[str]:
    named = _place(matrix)
    rows = [
        [
            proof,
            f"{cases:,}",
            named(name.rpartition("/")[2]),
            str(record.seed),
            f"{record.seconds} of {record.budget}",
            record.date,
        ]
        for name, record in sorted(records.items())
        for proof, cases in record.proofs.items()
    ]
    return _table(["proof", "cases", "where", "seed", "seconds", "day"], rows)


def _not_run(matrix: Matrix, records: Records) -> list[str]:
    named = _place(matrix)
    rows = []
    for name, record in sorted(records.items()):
        test, _slash, place = name.rpartition("/")
        if record.result == NOT_RUN:
            rows.append([f"`{test}`", named(place), record.reason])
        elif record.result == PASSED:
            rows += [[f"`{one.rpartition('::')[2]}`", named(place), reason] for one, reason in record.not_run.items()]
    return _table(["test", "where", "why"], rows)
