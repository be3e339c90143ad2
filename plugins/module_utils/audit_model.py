# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the audit has read of a host, and what it has to say about it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Optional

from .audit_rules import BY_ID
from .problems import InvalidInput
from .services import parse_services
from .unit_files import HEADER
from .unit_names import DROP_IN


@dataclass(frozen=True)
class Worker:
    """A process below the main one that runs the same program: its age in seconds."""

    pid: int
    age: float


@dataclass(frozen=True)
class Process:
    """The main process of a unit, or where that is a shell, the Python that it has started.

    ``age`` is in seconds, ``argv`` its arguments, ``variables`` those of Python and of the runtime in its environment, ``spent_by_dead`` the seconds of
    CPU time that its children have taken which have ended, ``deaths`` the number of workers that ended while they were watched,
    ``astray`` where its output goes that does not go to the journal, by systemd's directive. Below a shell, ``shell`` is the age of
    that, and ``folder`` the working directory. ``is_python`` is whether it runs a Python, as far as that may be seen.
    What cannot be read without more rights is ``None``.
    """

    pid: int
    age: float
    argv: tuple[str, ...] = ()
    variables: Optional[Mapping[str, str]] = None
    workers: tuple[Worker, ...] = ()
    spent_by_dead: float = 0.0
    deaths: int = 0
    astray: Mapping[str, str] = field(default_factory=dict)
    shell: Optional[float] = None
    folder: str = ""
    is_python: bool = True

    @property
    def age_of_main(self) -> float:
        """The age of the unit's main process."""
        return self.age if self.shell is None else self.shell


@dataclass(frozen=True)
class UnitFile:
    """A unit file or drop-in: its path, its text, and its age in seconds."""

    path: str
    text: str
    age: float

    @property
    def is_our_drop_in(self) -> bool:
        """Whether it is a drop-in of ours, of which nothing needs a restart that has not had it."""
        return self.path.endswith(f"/{DROP_IN}") and self.text.startswith(HEADER)


#: Why a unit cannot be started, by its ``LoadState=``.
_TROUBLES = {"not-found": "its unit file is gone (LoadState=not-found)", "masked": "it is masked (LoadState=masked)"}
#: What the item of a service of ours has beside what mends it, as far as every one must have it.
_ELSE = {"user": "root", "exec_start": ["/bin/true"]}


@dataclass(frozen=True)
class Unit:
    """A service unit as it is in effect.

    ``properties`` are systemd's merged ones, ``files`` the unit file and its drop-ins in their order, ``diagnostics`` what
    systemd-analyze says of it, ``triggers`` the ``UnitFileState=`` of each timer, socket or path that starts it, ``restarts`` the
    times that systemd has restarted it within :data:`RECENTLY`, ``unloaded`` the drop-ins on the disk that systemd does not know, or
    knows and are gone, ``programs`` what its ``ExecStart=`` lines start, ``stranded`` which of itself and its triggers only such
    units would start that no boot reaches, with the names of these, ``commands`` its ``ExecStart=`` lines as systemd shows them,
    without quotes, ``pulled_in`` which of itself and its triggers something starts at the next boot, enabled or not,
    ``is_connection`` whether it stands for the instances that a socket with ``Accept=yes`` starts, one for each connection,
    ``is_gone`` whether its unit file is not there any more, though systemd has it in memory, ``is_on_bus`` whether a call on the
    bus starts it (org.freedesktop.systemd1(5), ``SystemdService=``), ``unread`` files that ``diagnostics`` name and systemd does not know
    yet.
    """

    name: str
    properties: Mapping[str, str]
    files: tuple[UnitFile, ...] = ()
    diagnostics: tuple[str, ...] = ()
    triggers: Mapping[str, str] = field(default_factory=dict)
    process: Optional[Process] = None
    restarts: int = 0
    unloaded: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()
    stranded: Mapping[str, Sequence[str]] = field(default_factory=dict)
    commands: tuple[str, ...] = ()
    pulled_in: frozenset[str] = frozenset()
    is_connection: bool = False
    is_gone: bool = False
    is_on_bus: bool = False
    unread: tuple[UnitFile, ...] = ()

    @property
    def trouble(self) -> str:
        """Why systemd cannot start it as it is now; empty where it can."""
        loaded = self.properties.get("LoadState", "loaded")
        if loaded in _TROUBLES:
            return _TROUBLES[loaded]
        if loaded != "loaded":
            return f"its unit file cannot be loaded (LoadState={loaded})"
        return f"its unit file {self.properties.get('FragmentPath')} is gone" if self.is_gone else ""

    @property
    def is_job(self) -> bool:
        """Whether it is a scheduled job: a timer starts it, and it does not stay up when its program has ended."""
        return self.properties.get("RemainAfterExit") != "yes" and any(
            name.endswith(".timer") for name in self.triggers
        )

    @property
    def is_triggered(self) -> bool:
        """Whether it runs once for each event: a change of a path that alone starts it, a connection (:func:`~.drop_ins.policy_for`), a
        call on the bus."""
        by_path = any(name.endswith(".path") for name in self.triggers)
        enabled = self.properties.get("UnitFileState", "").startswith("enabled")
        by_bus = self.is_on_bus and not (enabled or self.triggers)
        return (
            self.is_connection
            or by_bus
            or (by_path and not enabled and self.properties.get("RemainAfterExit") != "yes")
        )

    @property
    def is_daemon(self) -> bool:
        """Whether it is meant to run on and on."""
        return self.properties.get("Type") != "oneshot" and not (self.is_job or self.is_triggered)

    @property
    def is_up(self) -> bool:
        """Whether it runs, or is on its way."""
        return self.properties.get("ActiveState") in ("active", "activating", "reloading")

    @property
    def is_ours(self) -> bool:
        """Whether its unit file is one that the baseline wrote."""
        return bool(self.files) and self.files[0].text.startswith(HEADER) and not self.files[0].is_our_drop_in

    def last_word(self, directives: Iterable[str]) -> str:
        """Return the drop-in of somebody else that says one of ``directives`` behind whatever an apply writes; empty for none."""
        line = re.compile(rf"^\s*(?:{'|'.join(directives)})\s*=", re.MULTILINE)
        saying = [file for file in self.files if line.search(file.text)]
        if not saying or saying[-1] is self.files[0] or saying[-1].is_our_drop_in:
            return ""
        path = saying[-1].path
        return path if self.is_ours or os.path.basename(path) > DROP_IN else ""

    @property
    def service(self) -> str:
        """Its name in ``stability_services``."""
        return self.name.rpartition(".")[0]

    def entry(self, **keys: Any) -> Optional[dict[str, Any]]:
        """Return the lines of ``stability_services`` that mend it; over somebody else's unit that is a drop-in.

        There are none where an apply would refuse them: for a name that no service may have, an instance of somebody else's
        template, somebody else's job, over which a drop-in has no retries, and a unit that systemd cannot start as it is.
        """
        if self.trouble or self.properties.get("UnitFileState") == "transient":
            return None
        template, instance, _rest = self.service.partition("@")
        item = (
            {"name": template + instance, **keys} if self.is_ours else {"name": self.service, "drop_in": True, **keys}
        )
        whole = {**_ELSE, **({"on_calendar": ["daily"]} if self.is_job else {}), **item} if self.is_ours else item
        try:
            parse_services([whole])
        except InvalidInput:
            return None
        return {"stability_services": [item]}


#: Seconds that count as now where a crash loop is looked for.
RECENTLY = 600


@dataclass(frozen=True)
class Finding:
    """What is wrong with one subject: the rule, what was seen, and what mends it as data of the inventory, if anything does.

    ``severity`` is that of the rule, unless what was seen is less than that. ``location`` is the ``file`` and ``line`` of source
    code, ``waived`` until when (``until``) and why (``reason``) it may stay.
    """

    id: str
    subject: str
    seen: str
    mend: Optional[Mapping[str, Any]] = None
    severity: str = ""
    location: Optional[Mapping[str, Any]] = None
    waived: Optional[Mapping[str, str]] = None

    def result(self) -> dict[str, Any]:
        """Return it as a module's result shows it."""
        rule = BY_ID[self.id]
        return {
            "id": self.id,
            "severity": self.severity or rule.severity,
            "subject": self.subject,
            "title": rule.title,
            "seen": self.seen,
            "mend": self.mend,
            "location": self.location,
            "waived": self.waived,
        }
