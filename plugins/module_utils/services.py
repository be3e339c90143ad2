# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The list ``stability_services``: validated as a whole, every problem at once."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from . import values as v
from .health import Health
from .problems import HIDDEN, InvalidInput, Problem, show
from .service_keys import DAEMON, JOB, KEYS, PENDING_KEYS

_NAME = re.compile(r"[A-Za-z0-9:_.-]+@?\Z")
_LONGEST_NAME = 200
#: A host whose unit of one of these names is replaced, stopped or removed is lost.
_SYSTEM_NAMES = ("dbus", "dbus-broker", "emergency", "getty", "init", "rescue", "ssh", "sshd", "user")
_REQUIRED = ("user", "exec_start")
#: systemd.service(5): a oneshot unit with one of these does not load.
_NOT_FOR_ONESHOT = ("always", "on-success")


@dataclass(frozen=True)
class Service:
    """One checked service; ``values`` holds what was given, or else the baseline's default, by key.

    ``place`` is its place in the list (``stability_services[3]``), for messages.
    """

    place: str
    name: str
    values: Mapping[str, Any]
    given: frozenset[str]

    @property
    def is_absent(self) -> bool:
        """Whether it is to be removed; then ``values`` is empty."""
        return not self.values

    @property
    def is_job(self) -> bool:
        """Whether it is a scheduled job: a oneshot unit and its timer."""
        return "on_calendar" in self.given

    @property
    def unit(self) -> str:
        """The unit that runs the process."""
        return f"{self.name}.service"

    @property
    def switched_unit(self) -> str:
        """The unit that is enabled and started: the service, or the timer of a job."""
        return f"{self.name}.timer" if self.is_job else self.unit

    @property
    def health(self) -> Health | None:
        """How it is asked whether it is healthy, if at all."""
        health: Health | None = self.values["health"]
        return health

    @property
    def settle_sec(self) -> float:
        """Seconds that it must stay up after a start."""
        return v.seconds(self.values["settle_sec"])

    @property
    def watched_paths(self) -> list[str]:
        """Paths whose content is part of what the process was started with."""
        files = [name.lstrip("-") for name in self.values["environment_files"] or ()]
        sources = list((self.values["credentials"] or {}).values())
        return [*files, *sources, *(self.values["restart_on"] or ())]


class _Item:
    """One member of the list while it is checked."""

    def __init__(self, option: str, index: int, raw: Mapping[Any, Any], problems: list[Problem]) -> None:
        self.raw = raw
        self.problems = problems
        self.place = f"{option}[{index}]"
        self.name = raw["name"] if isinstance(raw.get("name"), str) else ""

    def add(self, key: str, found: object, expected: str, remedy: str) -> None:
        label = f" ({self.name})" if self.name else ""
        shown = HIDDEN if isinstance(found, v.Hidden) else found if isinstance(found, _Said) else show(found)
        self.problems.append(Problem(f"{self.place}{key}{label}", shown, expected, remedy))


class _Said(str):
    """A phrase that stands in the message as it is."""


def _check_name(item: _Item) -> None:
    if "name" not in item.raw:
        item.add(".name", _Said("nothing"), "the name of the service", "Add the key name")
    elif not item.name or not _NAME.match(item.name) or len(item.name) > _LONGEST_NAME:
        item.add(".name", item.raw["name"], "letters, digits and :_.-", "Rename the service")
    elif item.name.startswith("."):
        remedy = "systemd reads no hidden files when it boots; rename the service"
        item.add(".name", item.name, "a name that does not begin with a dot", remedy)
    elif item.name.startswith("systemd-") or item.name in _SYSTEM_NAMES:
        item.add(".name", item.name, "a name that no unit of the system itself has", "Rename the service")
    elif v.UNIT_NAME.match(item.name):
        item.add(".name", item.name, "a name without the unit's suffix", "Take the suffix out")
    elif item.name.endswith("@"):
        item.add(".name", item.name, "the name of one service", _sentence(PENDING_KEYS["instances"]))


def _check_known(item: _Item) -> None:
    for key in item.raw:
        if key == "name" or key in KEYS:
            continue
        if key in PENDING_KEYS:
            item.add(f".{key}", item.raw[key], "a key of this version", _sentence(PENDING_KEYS[key]))
            continue
        near = difflib.get_close_matches(str(key), [*KEYS, "name"], n=1)
        remedy = f"Did you mean {near[0]}" if near else "Use directives for what has no key"
        item.add(f".{key}", _Said("an unknown key"), "a key of a service", remedy)


def _sentence(phrase: str) -> str:
    return phrase[0].upper() + phrase[1:]


def _checked_values(item: _Item, job: bool) -> dict[str, Any]:
    """Return the values by key, with the defaults of its kind; problems go to the item."""
    checked: dict[str, Any] = {}
    for key in KEYS.values():
        checked[key.name] = key.job if job else key.daemon
        if item.raw.get(key.name) is None:
            if key.name in item.raw:
                item.add(f".{key.name}", _Said("no value"), "a value", "Write one or take the key out")
            elif key.name in _REQUIRED:
                item.add(f".{key.name}", _Said("nothing"), f"the key {key.name}", _missing_remedy(key.name))
            continue
        if key.kind == (DAEMON if job else JOB):
            kind, other = ("a scheduled job", "daemons") if job else ("a daemon", "scheduled jobs (on_calendar)")
            item.add(f".{key.name}", item.raw[key.name], f"a key of {kind}", f"It is for {other}; take it out")
            continue
        try:
            checked[key.name] = key.check(item.raw[key.name])
        except v.Refused as refused:
            for fault in refused.faults:
                item.add(f".{key.name}{fault.place}", fault.found(item.raw[key.name]), fault.expected, fault.remedy)
    return checked


def _missing_remedy(key: str) -> str:
    if key == "user":
        return "Name the user that runs it; root must be written out"
    return "Write the program and its arguments as a list"


def _check_together(item: _Item, checked: Mapping[str, Any], job: bool) -> None:
    """Check what single values cannot show."""
    high, cap = checked["memory_high"], checked["memory_max"]
    if high and cap:
        high_bytes, cap_bytes = v.byte_count(high), v.byte_count(cap)
        if high_bytes is not None and cap_bytes is not None and high_bytes >= cap_bytes:
            item.add(
                ".memory_high", high, f"less than memory_max ({cap})", "MemoryHigh= at or above MemoryMax= never acts"
            )
    if checked["type"] == "oneshot" and checked["restart"] in _NOT_FOR_ONESHOT:
        remedy = "A daemon has type exec or notify, a scheduled job on_calendar"
        item.add(".type", "oneshot", f"a type that allows restart {checked['restart']}", remedy)
    if (checked["restart_steps"] is None) != (checked["restart_max_delay_sec"] is None):
        alone = "restart_steps" if checked["restart_max_delay_sec"] is None else "restart_max_delay_sec"
        item.add(f".{alone}", checked[alone], "restart_steps and restart_max_delay_sec together", "Add the other one")
    if job and checked["type"] != "oneshot":
        item.add(".type", checked["type"], "oneshot for a scheduled job", "Take the key type out")
    if job and checked["retries"] and checked["restart"] == "no":
        item.add(".retries", checked["retries"], "no retries with restart: 'no'", "Take one of the two out")


def _check_directives(item: _Item, checked: Mapping[str, Any], job: bool) -> None:
    if not job and "Timer" in checked["directives"]:
        item.add(
            ".directives.Timer", checked["directives"]["Timer"], "no section Timer for a daemon", "Add on_calendar"
        )


def _parse_one(item: _Item) -> Service:
    _check_name(item)
    _check_known(item)
    job = "on_calendar" in item.raw
    if item.raw.get("state") == "absent":
        return Service(item.place, item.name, {}, frozenset())
    checked = _checked_values(item, job)
    _check_together(item, checked, job)
    _check_directives(item, checked, job)
    if job and checked["retries"] == 0 and "restart" not in item.raw:
        checked["restart"] = "no"
    return Service(item.place, item.name, checked, frozenset(str(key) for key in item.raw))


def _check_unique(option: str, names: Iterable[tuple[int, str]], problems: list[Problem]) -> None:
    first: dict[str, int] = {}
    for index, name in names:
        if name in first:
            expected = f"a name that no other service has ({option}[{first[name]}] has it)"
            problems.append(Problem(f"{option}[{index}].name", show(name), expected, "Rename one of the two"))
        first.setdefault(name, index)


def parse_services(raw: object, option: str = "stability_services") -> list[Service]:
    """Return the checked services in the order of the list.

    ``raw`` is the list as YAML gave it; ``None`` counts as empty. Raises :class:`InvalidInput` with every problem of every
    item, each named by ``option``.
    """
    if raw is None:
        return []
    if not isinstance(raw, (list, tuple)):
        raise InvalidInput([Problem(option, show(raw), "a list of services", "Write a list of mappings")])
    problems: list[Problem] = []
    services: list[Service] = []
    names: list[tuple[int, str]] = []
    for index, member in enumerate(raw):
        if not isinstance(member, Mapping):
            problems.append(Problem(f"{option}[{index}]", show(member), "a mapping", "Write name, user and exec_start"))
            continue
        services.append(_parse_one(_Item(option, index, member, problems)))
        names.append((index, services[-1].name))
    _check_unique(option, [pair for pair in names if pair[1]], problems)
    if problems:
        raise InvalidInput(problems)
    return services
