# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that a plan for a host's units needs to know, read without changing anything."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from . import manifest as m
from . import systemd_host as systemd
from .accounts import Account, missing_accounts
from .drop_ins import Under
from .files import STAGED, remove_file, sync_folder
from .placed_files import PLACES, read_placed
from .runtime_lines import lines_below
from .runtime_place import FOLDER
from .services import Service
from .unit_names import DROP_IN, drop_in_of, is_instance, is_template, template_of, unit_of
from .unit_question import Known

UNIT_FOLDER = "/etc/systemd/system"
#: Where the units of packages and of the running system are (systemd.unit(5), "Unit File Load Path").
OTHER_FOLDERS = (
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
)
_TRIGGERS = ("timer", "socket", "path")


@dataclass(frozen=True)
class Observed:
    """The state of a host.

    ``version`` is that of systemd, ``files`` holds the text of each unit file in ``/etc/systemd/system`` (``None``:
    missing), ``links`` the folders (``multi-user.target.wants``) and aliases that enable a unit, ``digests`` and ``generations`` what
    :mod:`.manifest` makes of watched paths and virtual environments, ``strays`` the instances that would be left of a
    template that goes, ``kept`` the files of somebody else that are kept, ``packaged`` the units of which there is a unit
    file elsewhere, ``staged`` what a killed run left, ``triggers`` of each unit under a drop-in the kinds of units that start it,
    ``later`` the texts of other drop-ins that come after ours, ``now`` the monotonic clock in seconds, ``placed`` the texts of the files
    of ours that processes of services read, by path, ``with_runtime`` the names in the manifest whose files name the runtime.
    """

    version: int
    units: Mapping[str, systemd.UnitState]
    files: Mapping[str, str | None]
    links: Mapping[str, frozenset[str]]
    manifest: m.Manifest
    digests: Mapping[str, str]
    generations: Mapping[str, str]
    own_units: frozenset[str]
    accounts: tuple[Account, ...]
    strays: tuple[str, ...]
    kept: frozenset[str]
    packaged: frozenset[str]
    staged: tuple[str, ...]
    triggers: Mapping[str, frozenset[str]]
    later: Mapping[str, str]
    now: float
    placed: Mapping[str, str] = field(default_factory=dict)
    with_runtime: frozenset[str] = frozenset()


def unit_path(unit: str) -> str:
    """Return where the unit file of ``unit`` is written."""
    return f"{UNIT_FOLDER}/{unit}"


def read_unit_file(unit: str) -> str | None:
    """Return the text of a unit file in ``/etc/systemd/system``; ``None`` when there is none.

    A link that leads nowhere is there, without a text.
    """
    path = unit_path(unit)
    try:
        with open(path, encoding="utf-8", errors="surrogateescape", newline="") as stream:
            return stream.read()
    except FileNotFoundError:
        return "" if os.path.islink(path) else None


def kept_foreign(unit: str) -> str:
    """Return the text of somebody else's unit file that is kept; empty when there is none."""
    try:
        with open(f"{m.REPLACED}/{unit}", encoding="utf-8", errors="surrogateescape") as stream:
            return stream.read()
    except FileNotFoundError:
        return ""


def _links() -> Iterator[tuple[str, str]]:
    """Yield (folder, unit) of each link below ``/etc/systemd/system`` that pulls a unit in."""
    for folder in os.listdir(UNIT_FOLDER):
        if folder.endswith((".wants", ".requires", ".upholds")):
            for name in os.listdir(f"{UNIT_FOLDER}/{folder}"):
                yield folder, name


def _aliases() -> Iterator[tuple[str, str]]:
    """Yield (link, unit) of each link in ``/etc/systemd/system`` that gives a unit another name."""
    for name in os.listdir(UNIT_FOLDER):
        path = f"{UNIT_FOLDER}/{name}"
        if os.path.islink(path):
            unit = os.path.basename(os.readlink(path))
            if unit != name:
                yield name, unit


def enabling_links(units: Iterable[str]) -> dict[str, frozenset[str]]:
    """Return, for each unit, what in ``/etc/systemd/system`` enables it: folders with a link that pulls it in, and its aliases."""
    found: dict[str, set[str]] = {unit: set() for unit in units}
    for link, name in (*_links(), *_aliases()):
        if name in found:
            found[name].add(link)
    return {unit: frozenset(folders) for unit, folders in found.items()}


def units_of(services: Iterable[Service]) -> list[str]:
    """Return the units that the services' entries make or change, in the order of the list; templates are among them."""
    units = []
    for service in services:
        if service.is_absent:
            continue
        for one in (service, *service.members):
            units += [one.unit, one.switched_unit]
    return list(dict.fromkeys(units))


def recorded_names(services: Iterable[Service]) -> list[str]:
    """Return the names that the manifest has for the services' entries: their files, and the units that are started."""
    names = []
    for service in services:
        if not service.is_absent:
            names += [*service.files, *(name for one in service.members for name in one.files)]
    return names


def obsolete_names(services: Iterable[Service], manifest: m.Manifest) -> list[str]:
    """Return the units and drop-ins of ours that belong to a listed service which no longer makes them.

    They are those of absent services, instances that left their list, the timer of what is no longer a scheduled job.
    """
    listed = list(services)
    entries = {service.entry for service in listed}
    wanted = set(recorded_names(listed))
    return [name for name, entry in manifest.entries.items() if entry.service in entries and name not in wanted]


def elsewhere(unit: str) -> str:
    """Return the unit file that is in effect without the one in ``/etc/systemd/system``; empty when there is none."""
    paths = (f"{folder}/{template_of(unit)}" for folder in OTHER_FOLDERS)
    return next((path for path in paths if os.path.exists(path)), "")


def _stray_instances(obsolete: Iterable[str], manifest: m.Manifest) -> list[str]:
    """Return the instances of the ``obsolete`` templates that nobody listed: without the template they dangle."""
    gone = [name for name in obsolete if is_template(name)]
    templates = [name for name in gone if not (manifest.entries[name].replaced or elsewhere(name))]
    linked = {name for _folder, name in _links() if template_of(name) in templates and is_instance(name)}
    strays = linked | set(systemd.loaded_instances(templates))
    return sorted(strays - set(manifest.entries))


def links_to(unit: str) -> tuple[str, ...]:
    """Return the links below ``/etc/systemd/system`` that enable ``unit`` or give it another name."""
    found = [f"{folder}/{name}" for folder, name in _links() if name == unit]
    return tuple(sorted([*found, *(link for link, name in _aliases() if name == unit)]))


def put_links_back(unit: str, links: Iterable[str], fragment: str) -> None:
    """Make the links to ``unit`` exactly these; new ones lead to ``fragment``."""
    wanted, now = set(links), set(links_to(unit))
    for name in now - wanted:
        remove_file(unit_path(name))
    for name in sorted(wanted - now):
        path = unit_path(name)
        if not os.path.lexists(path):
            os.makedirs(os.path.dirname(path), exist_ok=True)
            os.symlink(fragment, path)
            sync_folder(os.path.dirname(path))


def _triggers_of(unit: str) -> frozenset[str]:
    """Return what kinds of units start ``unit``: a timer, socket or path of its name, or one that names it.

    The files are asked, not what is loaded: a timer that is stopped today runs tomorrow.
    """
    stem = unit.rpartition(".")[0]
    found = set()
    for folder in (UNIT_FOLDER, *OTHER_FOLDERS):
        for name in os.listdir(folder) if os.path.isdir(folder) else ():
            base, _dot, kind = name.rpartition(".")
            if kind in _TRIGGERS and (base in (stem, stem.rstrip("@")) or _names_unit(f"{folder}/{name}", unit)):
                found.add(kind)
    return frozenset(found)


def _names_unit(path: str, unit: str) -> bool:
    with suppress(OSError), open(path, encoding="utf-8", errors="replace") as stream:
        return any(line.strip() == f"Unit={unit}" for line in stream)
    return False


def _later_drop_ins(units: Iterable[systemd.UnitState]) -> dict[str, str]:
    """Return the text of each drop-in that comes after ours (systemd.unit(5): by the name of the file), by its path."""
    found = {}
    for path in {path for state in units for path in state["DropInPaths"].split()}:
        if os.path.basename(path) > DROP_IN:
            with suppress(OSError), open(path, encoding="utf-8", errors="replace") as stream:
                found[path] = stream.read()
    return found


def _staged(files: Iterable[str]) -> tuple[str, ...]:
    """Return what a killed run left beside ``files``, and where it was about to keep one."""
    kept = [
        f"{folder}/{name}" for folder, _folders, names in os.walk(m.REPLACED) for name in names if name.endswith(STAGED)
    ]
    folders = sorted({os.path.dirname(unit_path(name)) for name in files} | {UNIT_FOLDER, *PLACES})
    beside = [
        f"{folder}/{name}"
        for folder in folders
        if os.path.isdir(folder)
        for name in sorted(os.listdir(folder))
        if name.startswith(".") and name.endswith(STAGED)
    ]
    return (*beside, *sorted(kept))


def _with_runtime(names: Iterable[str]) -> frozenset[str]:
    """Return those of ``names`` whose unit files or drop-ins name the runtime."""
    return frozenset(name for name in names if FOLDER in (read_unit_file(template_of(name)) or ""))


_TYPE = re.compile(r"^\s*Type\s*=\s*(\S*)\s*$", re.MULTILINE)


def texts_below(unit: str, observed: Observed) -> Iterator[str]:
    """Yield the texts of the files of somebody else's unit, without our drop-in."""
    state, ours = observed.units[unit], unit_path(drop_in_of(unit))
    for path in filter(None, (state["FragmentPath"], *state["DropInPaths"].split())):
        if path != ours:
            with suppress(OSError), open(path, encoding="utf-8", errors="replace") as stream:
                yield stream.read()


def type_of(unit: str, observed: Observed) -> str:
    """Return the ``Type=`` of somebody else's unit without our drop-in, which may say another one."""
    state, ours = observed.units[unit], drop_in_of(unit)
    if not _TYPE.search(observed.files.get(ours) or ""):
        return state["Type"]
    written = ""
    for text in texts_below(unit, observed):
        written = [written, *_TYPE.findall(text)][-1]
    # systemd.service(5), "Type=": what a unit with a command has when nothing is written.
    return written or "simple"


def under(unit: str, observed: Observed, with_lines: bool) -> Under:
    """Return what a drop-in for ``unit`` lies over, ``with_lines`` of it for one that brings the runtime."""
    enabled = observed.units[unit]["UnitFileState"].startswith("enabled")
    lines = lines_below(texts_below(unit, observed)) if with_lines else {}
    return Under(type_of(unit, observed), observed.triggers.get(unit, frozenset()), enabled, lines)


@dataclass(frozen=True)
class Asked:
    """What systemd was asked for some services: the ``units``, of which those of ``obsolete`` and ``strays`` are to go."""

    known: Known
    units: list[str]
    obsolete: Sequence[str]
    strays: Sequence[str]


def ask(services: Sequence[Service], known: Known, to_remove: Sequence[str] | None = None) -> Asked:
    """Ask systemd about everything that :func:`observe` must know of ``services``; it answers meanwhile.

    ``known`` has been asked already, ``to_remove`` names what else of the manifest is read; by default what the services
    no longer make.
    """
    manifest = known.manifest
    absent = [service.unit for service in services if service.is_absent]
    obsolete = obsolete_names(services, manifest) if to_remove is None else to_remove
    strays = _stray_instances(obsolete, manifest)
    units = [*units_of(services), *map(unit_of, obsolete), *absent, *strays]
    units = list(dict.fromkeys(units))
    known.ask(units)
    return Asked(known, units, obsolete, strays)


def observe(asked: Asked, services: Sequence[Service]) -> Observed:
    """Read the host's state for the ``services`` that it was asked about."""
    manifest, units = asked.known.manifest, asked.units
    present = [service for service in services if not service.is_absent]
    files = dict.fromkeys([*(name for service in present for name in service.files), *asked.obsolete, *units])
    processes = [one for service in present for one in service.processes]
    paths = {path for one in processes for path in one.watched_paths}
    environments = {one.values["virtualenv"] for one in processes if one.values["virtualenv"]}
    placed = read_placed()
    answers = asked.known.answer()
    states = {unit: answers[unit] for unit in units}
    return Observed(
        version=asked.known.version,
        units=states,
        files={name: read_unit_file(name) for name in files},
        links=enabling_links(units),
        manifest=manifest,
        digests={path: m.digest_path(path) for path in paths},
        generations={path: m.generation(path) for path in environments},
        own_units=frozenset(systemd.own_units()),
        accounts=tuple(missing_accounts(present)),
        strays=tuple(asked.strays),
        kept=m.kept_names(),
        packaged=frozenset(unit for unit in units if elsewhere(unit)),
        staged=_staged([*files, *manifest.entries]),
        triggers={one.unit: _triggers_of(one.unit) for one in present if one.is_drop_in},
        later=_later_drop_ins(states[one.unit] for one in present if one.is_drop_in),
        now=time.monotonic(),
        placed=placed,
        with_runtime=_with_runtime(manifest.entries) if placed else frozenset(),
    )
