# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The gate *imports*: whether what a change touches can still be imported, tried in processes of their own."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Optional

from .commands import EnvironmentFailure, Output, User, acting_as
from .dist_info import installed_distributions
from .environment_layout import python_of, sites_of
from .gate_failure import GateFailure
from .import_packages import modules_of, with_dependents

#: Seconds that one import may take.
IMPORT_TIMEOUT = 60
#: Seconds more for a process, until its own watch must have ended it.
_GRACE = 30.0
_LONGEST_ERROR = 300
_PROGRAM_VARIABLE = "STABILITY_IMPORTS"
_RUN_PROGRAM = f"import os; exec(os.environ.pop('{_PROGRAM_VARIABLE}'))"
#: Imports each module that is named, and says what became of it on the standard output, where nobody else can write.
#: What ends the process, or hangs in C, leaves a beginning without an end. Nothing is run at the exit.
_PROGRAM = """
import faulthandler, json, os, sys, traceback
report = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
def say(*words):
    report.write(json.dumps(words) + "\\n")
    report.flush()
limit, *names = sys.argv[1:]
sys.argv[1:] = []
for name in names:
    say("begin", name)
    faulthandler.dump_traceback_later(float(limit), exit=True, file=2)
    try:
        __import__(name)
    except BaseException as error:
        said = traceback.format_exception_only(type(error), error)[-1].strip().splitlines()
        say("end", name, said[-1] if said else type(error).__name__)
    else:
        say("end", name, "")
    faulthandler.cancel_dump_traceback_later()
os._exit(0)
"""

#: Runs a program: its arguments, variables, seconds that it may take.
Run = Callable[[Sequence[str], Mapping[str, str], Optional[float]], Output]


@dataclass(frozen=True)
class ImportReport:
    """``failed`` are the imports that count against the change, as the module returns them."""

    failed: list[dict[str, str]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


class ImportFailure(GateFailure):
    """Imports fail that must not; ``report`` holds them."""

    def __init__(self, message: str, report: ImportReport) -> None:
        super().__init__(message)
        self.report = report


def _ended(output: Output) -> str:
    """Return what to say of a process that ended in the middle of an import."""
    if "Timeout (" in output.stderr:
        return f"did not end within {IMPORT_TIMEOUT} seconds"
    if output.status < 0:
        try:
            return f"ended the process with {signal.Signals(-output.status).name}"
        except ValueError:
            return f"ended the process with signal {-output.status}"
    return f"ended the process with status {output.status}"


def _outcomes(output: Output) -> dict[str, Optional[str]]:
    """Return the error of each import that was begun (empty: none); ``None`` for one that has no end."""
    outcomes: dict[str, Optional[str]] = {}
    for line in output.stdout.splitlines():
        # What runs at the start of an interpreter may print, too, and the last line may be cut off.
        with suppress(ValueError, TypeError):
            kind, name, *error = json.loads(line)
            outcomes[name] = error[0][:_LONGEST_ERROR] if kind == "end" else None
    return outcomes


def _start(virtualenv: str, modules: Sequence[str], run: Run) -> Output:
    argv = [python_of(virtualenv), "-I", "-B", "-c", _RUN_PROGRAM, str(IMPORT_TIMEOUT), *modules]
    return run(argv, {_PROGRAM_VARIABLE: _PROGRAM}, IMPORT_TIMEOUT * len(modules) + _GRACE)


def _alone(virtualenv: str, module: str, run: Run) -> str:
    """Import one module in a process of its own and return its error, empty when there is none."""
    try:
        output = _start(virtualenv, [module], run)
    except EnvironmentFailure as failure:
        return str(failure)
    error = _outcomes(output).get(module)
    return _ended(output) if error is None else error


def failing_imports(virtualenv: str, modules: Iterable[str], run: Run) -> dict[str, str]:
    """Return the last line of the error of each module that cannot be imported.

    One process imports many; what fails there, and what ends or stops it, is tried again in a process of its own, which
    decides.
    """
    open_modules = list(modules)
    doubtful: list[str] = []
    while open_modules:
        try:
            outcomes = _outcomes(_start(virtualenv, open_modules, run))
        except EnvironmentFailure:
            doubtful += open_modules
            break
        doubtful += [name for name, error in outcomes.items() if error != ""]
        if not outcomes:
            doubtful += open_modules
        open_modules = [name for name in open_modules if outcomes and name not in outcomes]
    errors = {name: _alone(virtualenv, name, run) for name in doubtful}
    return {name: error for name, error in errors.items() if error}


def _modules(virtualenv: str, changed: Iterable[str], user: User) -> dict[str, str]:
    """Return the modules of the changed distributions and their dependents, each with name and version of its own."""
    with acting_as(user):
        distributions = installed_distributions(sites_of(virtualenv))
        owners: dict[str, str] = {}
        for name in sorted(with_dependents(changed, distributions)):
            for distribution in distributions[name]:
                for module in modules_of(distribution):
                    owners.setdefault(module, f"{name} {distribution.version}".strip())
    return owners


def _all_modules(virtualenv: str, user: User) -> set[str]:
    with acting_as(user):
        distributions = installed_distributions(sites_of(virtualenv))
        return {module for found in distributions.values() for one in found for module in modules_of(one)}


def _entries(errors: Mapping[str, str], owners: Mapping[str, str]) -> list[dict[str, str]]:
    return [
        {"module": module, "distribution": owners[module].partition(" ")[0], "error": errors[module]}
        for module in sorted(errors)
    ]


def _listed(errors: Mapping[str, str], owners: Mapping[str, str]) -> str:
    return "\n".join(f"- {module} ({owners[module]}): {errors[module]}" for module in sorted(errors))


def check_imports(mode: str, old: str, new: str, changed: Iterable[str], user: User, run: Run) -> ImportReport:
    """Import what the ``changed`` distributions and those that depend on them bring, in the environment ``new``.

    ``strict`` refuses every import that fails, ``new`` those that worked in the environment ``old`` (empty: there was
    none) and warns of those that were not there, ``ignore`` does not look. Raises :class:`ImportFailure`.
    """
    if mode == "ignore":
        return ImportReport()
    owners = _modules(new, changed, user)
    errors = failing_imports(new, owners, run)
    if not errors:
        return ImportReport()
    refused = dict(errors)
    warnings: list[str] = []
    if mode == "new":
        known = _all_modules(old, user) if old else set()
        tried = [module for module in errors if module in known]
        before = failing_imports(old, tried, run) if tried else {}
        refused = {module: errors[module] for module in tried if module not in before}
        warnings = [
            f"{module} ({owners[module]}) is installed, but cannot be imported: {errors[module]}"
            for module in sorted(errors)
            if module not in known
        ]
    report = ImportReport(_entries(refused, owners), warnings)
    if refused:
        what = "worked before and fail now" if mode == "new" else "fail"
        raise ImportFailure(
            f"Imports that {what}:\n{_listed(refused, owners)}\n"
            "Pin versions that fit together, what they require included, or write imports: ignore.",
            report,
        )
    return report
