# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that a plan for the journal of a host needs to know, read without changing anything."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass

from . import journal_config as config
from . import journal_storage as storage
from . import systemd_host as systemd
from .files import write_file
from .journal_settings import HEADER
from .manifest import FOLDER

#: What each journald was started with by us; with the process it loses its meaning.
TAKEN = f"{FOLDER}/journald.json"
#: The file that journald has open for the default namespace.
_FILE = "system.journal"
#: The first systemd whose journald reads its configuration again when it is reloaded.
_RELOADS = 258
_PROPERTIES = ("ActiveState", "MainPID", "InvocationID", "StateChangeTimestampMonotonic")


@dataclass(frozen=True)
class Taken:
    """The configuration that a journald was started with: its ``invocation``, and the digest of what was in effect.

    ``moment`` is when its state changed last (microseconds): a reload, by which systemd 258 and newer reads the configuration
    again, changes that and not the invocation.
    """

    invocation: str
    digest: str
    moment: str


@dataclass(frozen=True)
class Instance:
    """The journald of one namespace (empty: the default one).

    ``own`` is the text of our drop-in, ``folder`` whether the folder for it exists, ``alone`` whether nothing else is in it.
    ``started`` is when the process was started, or has read its configuration again since (seconds since the epoch),
    ``moment`` when its state changed last (microseconds), ``taken`` what we remember of its start.
    ``stored`` is what its journal takes on the disk, ``volatile`` what it takes in memory.
    """

    namespace: str
    active: bool
    invocation: str
    moment: str
    started: float
    configuration: config.Configuration
    own: str | None
    folder: bool
    alone: bool
    taken: Taken | None
    stored: storage.Usage
    volatile: storage.Usage

    @property
    def unit(self) -> str:
        """The unit of its process."""
        return config.unit_of(self.namespace)


@dataclass(frozen=True)
class Observed:
    """The state of a host.

    ``instances`` holds the journald of the default namespace, of each wanted one, and of each that a drop-in of ours was
    left for. ``has_folder`` is whether ``/var/log/journal`` is there, ``blocked`` what is in its way, ``is_stored`` whether
    journald has its file in there open, ``is_elsewhere`` whether it has that of another machine-id open instead, ``is_left``
    whether there are journal files of the default namespace in memory, ``remembers`` whether anything is remembered of a
    start. ``disk`` is the file system of the stored journals, ``memory`` that of the others.
    """

    version: int
    instances: Mapping[str, Instance]
    disk: storage.Disk
    memory: storage.Disk
    has_folder: bool
    blocked: str
    is_stored: bool
    is_elsewhere: bool
    is_left: bool
    remembers: bool


def observe(namespaces: Iterable[str], version: int) -> Observed:
    """Return the state of the host's journal; ``namespaces`` are those that services use, ``version`` systemd's (0: ask).

    Raises :class:`~.systemd_host.HostError` when systemd does not manage the host.
    """
    version = version or systemd.version()
    names = ["", *sorted({*namespaces, *config.own_namespaces(HEADER)})]
    states = systemd.show([config.unit_of(name) for name in names], _PROPERTIES)
    taken = read_taken()
    identity = storage.machine_id()
    main = states[config.unit_of("")]
    reloads = version >= _RELOADS
    pid = int(main["MainPID"])
    stored = is_stored(pid)
    return Observed(
        version=version,
        instances={name: _instance(name, states[config.unit_of(name)], taken, identity, reloads) for name in names},
        disk=storage.disk(storage.STORED),
        memory=storage.disk(storage.VOLATILE),
        has_folder=os.path.isdir(storage.STORED),
        blocked=storage.blocked_by(storage.STORED),
        is_stored=stored,
        is_elsewhere=not stored and storage.is_open_below(pid, storage.STORED, _FILE),
        is_left=any(True for _path in storage.journal_files(f"{storage.VOLATILE}/{identity}")),
        remembers=os.path.exists(TAKEN),
    )


def is_stored(pid: int) -> bool:
    """Whether the journald with process ``pid`` has the file of the default namespace on the disk open."""
    return storage.is_open(pid, f"{storage.STORED}/{storage.machine_id()}/{_FILE}")


def _instance(
    namespace: str, state: systemd.UnitState, taken: Mapping[str, Taken], identity: str, reloads: bool
) -> Instance:
    folder = f"{identity}.{namespace}" if namespace else identity
    active = state["ActiveState"] in ("active", "reloading")
    started = storage.process_start(int(state["MainPID"])) if active else 0.0
    moment = state["StateChangeTimestampMonotonic"]
    if active and reloads:
        started = max(started, time.time() - (time.monotonic() - int(moment) / 1e6))
    return Instance(
        namespace=namespace,
        active=active,
        invocation=state["InvocationID"],
        moment=moment,
        started=started,
        configuration=config.read_configuration(namespace),
        own=config.read_text(config.own_path(namespace)),
        folder=os.path.isdir(config.own_folder(namespace)),
        alone=not config.others_in(namespace),
        taken=taken.get(config.unit_of(namespace)),
        stored=storage.usage(f"{storage.STORED}/{folder}"),
        volatile=storage.usage(f"{storage.VOLATILE}/{folder}"),
    )


def read_taken() -> dict[str, Taken]:
    """Return what is remembered, by unit; nothing when there is none or it cannot be understood."""
    try:
        with open(TAKEN, encoding="utf-8") as stream:
            units = json.load(stream)["units"]
        return {
            unit: Taken(*(str(raw[name]) for name in ("invocation", "digest", "moment"))) for unit, raw in units.items()
        }
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def write_taken(taken: Mapping[str, Taken]) -> None:
    """Remember ``taken``, by unit."""
    os.makedirs(FOLDER, mode=0o755, exist_ok=True)
    units = {unit: asdict(each) for unit, each in sorted(taken.items())}
    write_file(TAKEN, (json.dumps({"version": 1, "units": units}, indent=1) + "\n").encode(), 0o644)
