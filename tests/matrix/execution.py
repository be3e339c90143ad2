# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running one cell of the matrix: as a program of its own, for as long as its budget allows."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cgroups
import images
from common import HostsError
from releases import RELEASES
from reporting import VARIABLE, told

from . import cores, pythons
from .matrix import CORE, PYTHON, Cell, Matrix
from .records import FAILED, NOT_RUN, PASSED

TOOLS = Path(".cache/venv/bin/python")
#: Runs its arguments where every user can reach what lies in a closed folder such as the home of root, under the same paths: an
#: interpreter finds its own library by them. Nobody else sees that.
_OPEN = """
closed=$1 kept=/run/stability-opened
shift
mkdir -p "$kept"
mount --bind "$closed" "$kept"
mount -t tmpfs -o mode=755 none "$closed"
for one in "$kept"/* "$kept"/.[!.]*; do
    if [ -d "$one" ] && [ ! -L "$one" ]; then
        mkdir "$closed/${one##*/}"
        mount --bind "$one" "$closed/${one##*/}"
    fi
done
exec "$@"
"""
OPEN = ("unshare", "--mount", "--propagation=private", "--", "sh", "-ec", _OPEN, "sh")
NO_TESTS = 5
"""What pytest ends with when no test was left to run."""
PATIENCE = 60.0
"""Seconds that a program has to remove its hosts when it is asked to end."""


@dataclass(frozen=True)
class Outcome:
    """How a cell ended; the fields are those of :class:`.records.Record`."""

    result: str
    seconds: int = 0
    reason: str = ""
    passed: int = 0
    not_run: Mapping[str, str] = field(default_factory=dict)
    proofs: Mapping[str, int] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)


def execute(cell: Cell, matrix: Matrix, folder: Path, variables: Mapping[str, str]) -> Outcome:
    """Run a cell; what it prints goes to ``folder / "log"``.

    Args:
        cell: what to run.
        matrix: where its core is described.
        folder: an empty one for this cell.
        variables: of the process environment, beside the caller's own.
    """
    reason = obstacle(cell, matrix)
    if reason:
        return Outcome(NOT_RUN, reason=reason)
    report, log = folder / "report", folder / "log"
    try:
        versions = _versions(cell, matrix)
        argv = command(cell, matrix)
    except HostsError as error:
        return Outcome(FAILED, reason=str(error))
    begun = time.monotonic()
    with log.open("wb") as stream:
        environment = {**os.environ, "PYTHONPATH": ".cache/collections", **variables, VARIABLE: str(report.resolve())}
        if cell.kind != "sanity":
            del environment["PYTHONPATH"]
        code = run(argv, environment, stream.fileno(), cell.budget)
    seconds = round(time.monotonic() - begun)
    return judged(cell, code, seconds, told(report), versions, _last_line(log))


def obstacle(cell: Cell, matrix: Matrix) -> str:
    """Return why a cell cannot run on this machine; empty when it can."""
    if cell.place.startswith(CORE):
        version = cell.place.removeprefix(CORE)
        return cores.obstacle(version, matrix.cores[version])
    if _is_of_module(cell, matrix) and not pythons.find(cell.place.removeprefix(PYTHON)):
        return f"Python {cell.place.removeprefix(PYTHON)} is not on this machine"
    return cgroups.obstacle(RELEASES[cell.place]) if cell.place in RELEASES else ""


def _is_of_module(cell: Cell, matrix: Matrix) -> bool:
    return cell.name in matrix.module.tests and cell.place.startswith(PYTHON)


def command(cell: Cell, matrix: Matrix) -> list[str]:
    """Return the command that runs a cell in the checkout's folder."""
    if cell.kind == "molecule":
        return ["molecule/run", cell.name, f"--release={cell.place}", "--jobs=1"]
    python, places = TOOLS, [cell.place]
    if cell.place.startswith(CORE):
        version = cell.place.removeprefix(CORE)
        python = cores.virtual_environment(version, matrix.cores[version])
        places = [matrix.sample.release, "controller"]
    if cell.kind == "sanity":
        return [str(python), "-P", "-m", "ansible_collections.stability.baseline.tests.lint", "sanity"]
    pytest = [str(python), "-m", "pytest", "-q", "--tb=short"]
    if cell.kind == "unit":
        return [*pytest, "tests/unit"]
    pytest.append(f"tests/integration/{cell.name}.py")
    if _is_of_module(cell, matrix):
        program = Path(pythons.find(cell.place.removeprefix(PYTHON))).resolve()
        chosen = ["env", f"STABILITY_PYTHON={program}", *pytest, "--at=controller"]
        # From the root on: what is below a closed folder cannot be reached whatever its own mode.
        closed = next((str(folder) for folder in reversed(program.parents) if not folder.stat().st_mode & 0o001), "")
        return [*OPEN, closed, *chosen] if closed else chosen
    return [*pytest, *(f"--at={place}" for place in places)]


def run(argv: Sequence[str], environment: Mapping[str, str], output: int, budget: float) -> int | None:
    """Run a program and return its exit status; ``None`` when it was stopped because it took more than ``budget`` seconds.

    It is asked to end, by SIGINT, when this process ends in whatever way.
    """
    # In the background of a shell SIGINT is ignored, and that is inherited.
    process = subprocess.Popen(
        ["setpriv", "--pdeathsig=INT", "env", "--default-signal=INT", *argv],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        return process.wait(budget)
    except subprocess.TimeoutExpired:
        return None
    finally:
        stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ask a program that still runs to end, and kill its process group when it does not."""
    for order, patience in ((signal.SIGINT, PATIENCE), (signal.SIGKILL, None)):
        if process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, order)
            with suppress(subprocess.TimeoutExpired):
                process.wait(patience)


def judged(
    cell: Cell,
    code: int | None,
    seconds: int,
    lines: Iterable[Mapping[str, Any]],
    versions: Mapping[str, str],
    last: str,
) -> Outcome:
    """Return how a cell ended.

    Args:
        cell: what was run.
        code: its exit status; ``None`` when it was over its budget.
        seconds: how long it took.
        lines: what the tests told.
        versions: of what it ran with, as far as known before.
        last: the last line that it printed.
    """
    passed, not_run, proofs, found = 0, {}, {}, dict(versions)
    for line in lines:
        passed += line.get("passed", 0)
        not_run.update(line.get("not_run", {}))
        found.update(line.get("versions", {}))
        if "proof" in line:
            proofs[line["proof"]] = line["cases"]
    result, reason = FAILED, f"ended with {code}: {last}"
    if code is None:
        reason = f"over its budget of {cell.budget} s; it was stopped"
    elif code == NO_TESTS and not_run:
        result, reason = NOT_RUN, "; ".join(dict.fromkeys(not_run.values()))
    elif code == 0 and not passed and cell.kind != "sanity":
        reason = "no test was run"
    elif code == 0:
        result, reason = PASSED, ""
    return Outcome(result, seconds, reason, passed, not_run, proofs, found)


def _versions(cell: Cell, matrix: Matrix) -> dict[str, str]:
    """Return the versions of what a cell runs with, as far as they are known before."""
    python = TOOLS.absolute()
    found = {}
    if cell.place in RELEASES:
        found = images.versions(RELEASES[cell.place])
    elif cell.place.startswith(CORE):
        version = cell.place.removeprefix(CORE)
        python = cores.virtual_environment(version, matrix.cores[version])
    elif _is_of_module(cell, matrix):
        argv = [pythons.find(cell.place.removeprefix(PYTHON)), "--version"]
        printed = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
        found = {"service python": printed.split()[1]}
    return {**found, **cores.facts(python)}


def _last_line(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else "it printed nothing"
