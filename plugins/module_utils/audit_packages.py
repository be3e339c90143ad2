# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules about environments, and about services that run in them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Optional

from . import python_command
from .audit_model import Finding, Unit
from .audit_programs import folder_of
from .audit_references import Reference
from .audit_source_facts import Fault
from .direct_references import Unpinned
from .dist_info import installed_distributions
from .environments import parse_environments
from .problems import InvalidInput
from .requirements import parse_line

#: Modules of Python that no service misses.
_NOBODY_IMPORTS = frozenset(("antigravity", "idlelib", "lib2to3", "test", "this", "turtle", "turtledemo"))
#: So many names are written out.
_MOST = 10


@dataclass(frozen=True)
class Held:
    """An environment as it is.

    ``versions`` are the installed ones by name, ``conflicts`` the lines of ``pip check``, ``damaged`` the files of each
    distribution that are not as recorded, ``leftovers`` what killed installers left, ``age`` the seconds since a distribution was
    installed last, or the baseline put the environment in its place; ``modules`` the names of top-level modules, ``standard`` those of
    Python itself, ``references`` what an application uses that is not there, ``faults`` what is wrong with its source.
    ``unpinned`` and ``wrong`` (name to installed and pinned version) are ``None`` where nothing says what is pinned.
    """

    path: str
    python: str
    versions: Mapping[str, str] = field(default_factory=dict)
    conflicts: Sequence[str] = ()
    damaged: Mapping[str, Sequence[str]] = field(default_factory=dict)
    leftovers: Sequence[str] = ()
    age: float = float("inf")
    modules: frozenset[str] = frozenset()
    standard: frozenset[str] = frozenset()
    references: Sequence[Reference] = ()
    faults: Sequence[Fault] = ()
    unpinned: Optional[Sequence[str]] = None
    wrong: Optional[Mapping[str, tuple[str, str]]] = None


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
    return ", ".join(names[:_MOST]) + more


def fits_together(held: Held) -> Iterator[Finding]:
    """SB401."""
    for line in held.conflicts:
        yield Finding("SB401", held.path, line)


def is_as_recorded(held: Held) -> Iterator[Finding]:
    """SB402."""
    for name, files in held.damaged.items():
        yield Finding("SB402", held.path, f"{name} {held.versions.get(name, '')}: {_listed(files)}")


def is_pinned(held: Held) -> Iterator[Finding]:
    """SB403."""
    if held.unpinned:
        pins = {name: _pin(name, held.versions.get(name, "")) for name in held.unpinned}
        told = [pin or _unpinnable(name, held.versions.get(name, "")) for name, pin in pins.items()]
        yield Finding("SB403", held.path, _listed(told), _pinning(held.path, list(filter(None, pins.values()))))


def _pin(name: str, version: str) -> str:
    """Return what pins an installed version; empty where nothing does: its metadata is broken, or older than PEP 440."""
    line = f"{name}=={version}"
    try:
        pin = parse_line(line, "")
    except Unpinned:
        return ""
    # Blanks and semicolons in a version would say something else than it does.
    return line if pin.requirement == line and pin.marker is None else ""


def _unpinnable(name: str, version: str) -> str:
    return f"{name} {version} (no version that can be pinned)" if version else f"{name} (its version cannot be read)"


def _pinning(path: str, pins: Sequence[str]) -> Optional[Mapping[str, Any]]:
    """Return the lines of the inventory that pin something in an environment; ``None`` where the list would refuse them."""
    entry = {"virtualenv": path, "pins": list(pins)}
    try:
        parse_environments([entry])
    except InvalidInput:
        return None
    return {"stability_environments": [entry]} if pins else None


def has_the_pinned_versions(held: Held) -> Iterator[Finding]:
    """SB404."""
    for name, (installed, pinned) in (held.wrong or {}).items():
        yield Finding("SB404", held.path, f"{name} is {installed or 'not installed'}, and {pinned} is pinned")


def has_what_is_used(held: Held) -> Iterator[Finding]:
    """SB406."""
    for one in held.references:
        version = held.versions.get(one.distribution, "")
        seen = f"{one.file}:{one.line}: {one.spelled} is not in {one.distribution} {version}"
        yield Finding("SB406", held.path, seen, location={"file": one.file, "line": one.line})


def is_written_well(held: Held) -> Iterator[Finding]:
    """SB203 to SB206, SB209, SB301 to SB303 and SB308."""
    for one in held.faults:
        location = {"file": one.file, "line": one.line}
        yield Finding(one.rule, held.path, one.seen, severity=one.severity, location=location)


def has_no_leftovers(held: Held) -> Iterator[Finding]:
    """SB407."""
    if held.leftovers:
        yield Finding("SB407", held.path, _listed(held.leftovers))


RULES: dict[str, Callable[[Held], Iterator[Finding]]] = {
    "SB401": fits_together,
    "SB402": is_as_recorded,
    "SB403": is_pinned,
    "SB404": has_the_pinned_versions,
    "SB406": has_what_is_used,
    "SB407": has_no_leftovers,
}


def judge(held: Held) -> list[Finding]:
    """Return everything that the rules find in an environment."""
    return [finding for rule in (*RULES.values(), is_written_well) for finding in rule(held)]


def runs_what_is_installed(unit: Unit, held: Held) -> Iterator[Finding]:
    """SB405."""
    if unit.process is not None and unit.is_daemon and held.age < unit.process.age:
        yield Finding(
            "SB405",
            unit.name,
            f"the process is {unit.process.age:.0f} s old, and {held.path} was changed {held.age:.0f} s ago",
        )


def imports_from_its_environment(unit: Unit, held: Held, user_site: str = "") -> Iterator[Finding]:
    """SB408; ``user_site`` is the folder of the user's own site-packages where the process would look into it."""
    process = unit.process
    if process is None or process.variables is None:
        return
    command = python_command.parse(process.argv)
    searched = "" if command.ignores_variables else process.variables.get("PYTHONPATH", "")
    began = folder_of(unit)
    outside = {told: path for told, path in _entries(searched, began) if not path.startswith(f"{held.path}/")}
    brought = {told: (*_hidden(path, held), *_distributions(path)) for told, path in outside.items()}
    hiding = [f"{told} ({_listed(names)})" for told, names in brought.items() if names]
    if hiding:
        yield Finding("SB408", unit.name, f"PYTHONPATH has {_listed(hiding)}")
    if user_site and os.path.isdir(user_site) and command.looks_into_user_site(process.variables):
        mend = None if command.ignores_variables else unit.entry(environment={"PYTHONNOUSERSITE": "1"})
        yield Finding("SB408", unit.name, f"{user_site} is searched as well", mend)
    first = command.first_folder(process.variables, held.python, began)
    if process.is_python and first and first not in outside.values() and (hidden := _hidden(first, held)):
        yield Finding("SB408", unit.name, f"{first} hides installed modules: {_listed(hidden)}")


def _entries(searched: str, began: str) -> Iterator[tuple[str, str]]:
    """Yield the entries of PYTHONPATH, as they are told and as absolute paths; nothing in it is no entry at all."""
    for entry in searched.split(":") if searched else []:
        # Python makes all of them absolute at its start; an empty one is the working directory.
        path = os.path.normpath(os.path.join(began, entry))
        yield (entry if os.path.isabs(entry) else f'"{entry}", which is {path}'), path


def modules_in(folder: str) -> frozenset[str]:
    """Return the names of the top-level modules in a folder.

    Raises:
        OSError: it cannot be read.
    """
    found = set()
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(".py"):
                found.add(entry.name[: -len(".py")])
            elif entry.name.endswith(".so"):
                # Between the name and the suffix stands for which Pythons it is (PEP 3149).
                found.add(entry.name.partition(".")[0])
            elif entry.is_dir() and os.path.isfile(os.path.join(entry.path, "__init__.py")):
                found.add(entry.name)
    return frozenset(found)


def _hidden(folder: str, held: Held) -> list[str]:
    """Return the top-level modules of the environment and of Python itself that a module in ``folder`` would hide."""
    if not folder.startswith("/") or folder.startswith(f"{held.path}/"):
        return []
    try:
        names = modules_in(folder)
    except OSError:
        return []
    own = [f"{name} (of Python)" for name in sorted((names & held.standard) - held.modules - _NOBODY_IMPORTS)]
    return sorted(names & held.modules) + own


def _distributions(folder: str) -> list[str]:
    """Return the distributions in a folder of ``PYTHONPATH``: they are searched, and no environment has them."""
    try:
        return [f"{name} {own[0].version}" for name, own in sorted(installed_distributions([folder]).items())]
    except OSError:
        return []
