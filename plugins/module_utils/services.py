# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The list ``stability_services``: validated as a whole, every problem at once."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from . import values as v
from .health import Health
from .problems import HIDDEN, InvalidInput, ListOf, Problem, show
from .runtime_place import FOLDER
from .service_keys import BOTH, DAEMON, DIRECTIVE_KEYS, DROP_IN, JOB, KEYS, Key
from .service_logging import Logging, file_of
from .service_runtime import faults, uses_runtime
from .unit_names import drop_in_of, with_instance

_NAME = re.compile(r"[A-Za-z0-9:_.-]+@?\Z")
_LONGEST_NAME = 200
#: A host whose unit of one of these names is replaced, stopped or removed is lost.
_SYSTEM_NAMES = ("dbus", "dbus-broker", "emergency", "getty", "init", "rescue", "ssh", "sshd", "user")
_REQUIRED = ("user", "exec_start")
#: Keys of a template in whose values ``%i`` and ``%I`` stand for the instance.
_WITH_INSTANCE = (
    "exec_start",
    "exec_start_pre",
    "exec_reload",
    "working_directory",
    "virtualenv",
    "environment_files",
    "credentials",
    "state_directory",
    "runtime_directory",
    "read_write_paths",
    "restart_on",
    "log_namespace",
)
#: Keys that are about a process, of which a template has none.
_NOT_OVER_TEMPLATES = ("state", "enabled", "health", "settle_sec", "restart_on", "virtualenv")
#: systemd.service(5): a oneshot unit with one of these does not load.
_NOT_FOR_ONESHOT = ("always", "on-success")


@dataclass(frozen=True)
class Service:
    """One checked service; ``values`` holds what was given, or else the baseline's default, by key.

    ``place`` is its place in the list (``stability_services[3]``), for messages. ``members`` are the services that the
    instances of a template make; ``entry`` is the name in the list that such a one belongs to.
    """

    place: str
    name: str
    values: Mapping[str, Any]
    given: frozenset[str]
    members: tuple[Service, ...] = ()
    template: str = ""

    @property
    def entry(self) -> str:
        """The name of its entry in the list."""
        return self.template or self.name

    @property
    def is_absent(self) -> bool:
        """Whether it is to be removed; then ``values`` is empty."""
        return not self.values

    @property
    def is_job(self) -> bool:
        """Whether it is a scheduled job: a oneshot unit and its timer."""
        return "on_calendar" in self.given

    @property
    def is_template(self) -> bool:
        """Whether its unit file serves several units, its instances."""
        return self.name.endswith("@")

    @property
    def is_drop_in(self) -> bool:
        """Whether it only changes somebody else's unit."""
        return bool(self.values and self.values["drop_in"])

    @property
    def unit(self) -> str:
        """The unit that runs the process, or its template."""
        return f"{self.name}.service"

    @property
    def switched_unit(self) -> str:
        """The unit that is enabled and started: the service, or the timer of a job."""
        return f"{self.name}.timer" if self.is_job else self.unit

    @property
    def files(self) -> tuple[str, ...]:
        """The names of its files, below the folder of unit files."""
        if self.is_drop_in:
            return (drop_in_of(self.unit),)
        return (self.unit, self.switched_unit) if self.is_job else (self.unit,)

    @property
    def record(self) -> str:
        """The name under which is remembered with what it was started."""
        return self.files[0] if self.is_drop_in else self.switched_unit

    @property
    def processes(self) -> tuple[Service, ...]:
        """The services with a process of their own: itself, or the instances of a template."""
        return self.members if self.is_template else (self,)

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
    def uses_runtime(self) -> bool:
        """Whether its processes start with the runtime."""
        return uses_runtime(self.values)

    @property
    def logging_file(self) -> str:
        """The file of ours with which it configures its logging; empty where it has none. The instances of a template share one."""
        logging: Logging | None = self.values.get("logging")
        return file_of(self.entry) if logging and logging.apply == "file" else ""

    @property
    def placed(self) -> list[str]:
        """What of ours its processes are started with, as :func:`~.placed_files.digests_of` names it."""
        return [*filter(None, (self.logging_file,)), *([FOLDER] if self.uses_runtime else [])]

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
        over = raw.get("drop_in")
        # What is no boolean is refused later, by the check of the key itself.
        is_over = over is True or (isinstance(over, str) and over.lower() in v.TRUE)
        self.kind = DROP_IN if is_over else JOB if "on_calendar" in raw else DAEMON
        #: A drop-in takes no unit over, and what is not ours is not removed.
        self.is_harmless = self.kind == DROP_IN or raw.get("state") == "absent"

    def add(self, key: str, found: object, expected: str, remedy: str) -> None:
        label = f" ({self.name})" if self.name else ""
        shown = HIDDEN if isinstance(found, v.Hidden) else found if isinstance(found, _Said) else show(found)
        self.problems.append(Problem(f"{self.place}{key}{label}", shown, expected, remedy))

    def check(self, checked: dict[str, Any], key: Key, value: object) -> bool:
        """Put the checked ``value`` of ``key`` into ``checked``; return whether it has no fault."""
        try:
            checked[key.name] = key.check(value)
        except v.Refused as refused:
            for fault in refused.faults:
                self.add(f".{key.name}{fault.place}", fault.found(value), fault.expected, fault.remedy)
            return False
        return True


class _Said(str):
    """A phrase that stands in the message as it is."""


def _check_name(item: _Item) -> None:
    if "name" not in item.raw:
        item.add(".name", _Said("nothing"), "the name of the service", "Add the key name")
    elif re.match(r"[A-Za-z0-9:_.-]+@[^@]", item.name):
        template, _at, instance = item.name.partition("@")
        item.add(".name", item.name, "the name of a template", f"Write {template}@, and instances: [{instance}]")
    elif not item.name or not _NAME.match(item.name) or len(item.name) > _LONGEST_NAME:
        remedy = "Rename the service" if isinstance(item.raw["name"], str) else v.QUOTE_IT
        item.add(".name", item.raw["name"], "letters, digits and :_.-", remedy)
    elif item.name.startswith("."):
        remedy = "systemd reads no hidden files when it boots; rename the service"
        item.add(".name", item.name, "a name that does not begin with a dot", remedy)
    elif (item.name.startswith("systemd-") or item.name in _SYSTEM_NAMES) and not item.is_harmless:
        item.add(".name", item.name, "a name that no unit of the system itself has", "Rename the service")
    elif v.UNIT_NAME.match(item.name):
        item.add(".name", item.name, "a name without the unit's suffix", "Take the suffix out")


def _check_known(item: _Item) -> None:
    for key in item.raw:
        if key == "name" or key in KEYS:
            continue
        near = difflib.get_close_matches(str(key), [*KEYS, "name"], n=1)
        remedy = f"Did you mean {near[0]}" if near else "Use directives for what has no key"
        item.add(f".{key}", _Said("an unknown key"), "a key of a service", remedy)


_KINDS = {DAEMON: "a daemon", JOB: "a scheduled job", DROP_IN: "a drop-in"}
_OTHERS = {DAEMON: "scheduled jobs (on_calendar)", JOB: "daemons", DROP_IN: "units of this collection"}


def _fits(key: Key, kind: str) -> bool:
    """Whether a service of ``kind`` may have ``key``; over a daemon of somebody else, what is for daemons fits."""
    if kind == DROP_IN:
        return key.in_drop_ins and key.kind != JOB
    return key.kind in (BOTH, kind)


def _checked_values(item: _Item) -> dict[str, Any]:
    """Return the values by key, with the defaults of its kind; problems go to the item."""
    checked: dict[str, Any] = {}
    for key in KEYS.values():
        checked[key.name] = key.default(item.kind)
        if item.raw.get(key.name) is None:
            if key.name in item.raw:
                item.add(f".{key.name}", _Said("no value"), "a value", "Write one or take the key out")
            elif key.name in _REQUIRED and item.kind != DROP_IN:
                item.add(f".{key.name}", _Said("nothing"), f"the key {key.name}", _missing_remedy(key.name))
            continue
        if not _fits(key, item.kind):
            expected, others = f"a key of {_KINDS[item.kind]}", _OTHERS[item.kind]
            item.add(f".{key.name}", item.raw[key.name], expected, f"It is for {others}; take it out")
        elif not (key.name == "health" and item.name.endswith("@")):
            item.check(checked, key, item.raw[key.name])
    return checked


def _missing_remedy(key: str) -> str:
    if key == "user":
        return "Name the user that runs it; root must be written out"
    return "Write the program and its arguments as a list"


def _ends_at_once(item: _Item, checked: Mapping[str, Any]) -> bool:
    """Whether a oneshot unit that the baseline starts is down again as soon as it is done; no run could see it up."""
    written = checked["directives"].get("Service", {}).get("RemainAfterExit")
    remains = (written or ["no"])[-1]
    started = checked["state"] == "started" and (bool(checked["instances"]) or not item.name.endswith("@"))
    return started and remains.lower() not in v.TRUE


def _check_together(item: _Item, checked: Mapping[str, Any]) -> None:
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
    elif item.kind == DAEMON and checked["type"] == "oneshot" and _ends_at_once(item, checked):
        remedy = "Write on_calendar for a scheduled job, or directives: {Service: {RemainAfterExit: 'yes'}} for what is done once"
        item.add(".type", "oneshot", "a type under which the unit stays up", remedy)
    if (checked["restart_steps"] is None) != (checked["restart_max_delay_sec"] is None):
        alone = "restart_steps" if checked["restart_max_delay_sec"] is None else "restart_max_delay_sec"
        item.add(f".{alone}", checked[alone], "restart_steps and restart_max_delay_sec together", "Add the other one")
    if checked["instances"] and item.name and not item.name.endswith("@"):
        remedy = "Put an @ behind the name, or take instances out"
        item.add(".instances", checked["instances"], "instances of a template unit", remedy)
    for instance in checked["instances"] if len(item.name) <= _LONGEST_NAME else ():
        if len(item.name) + len(instance) > _LONGEST_NAME:
            expected = f"at most {_LONGEST_NAME} characters together with the name"
            item.add(".instances", instance, expected, "systemd makes files of such names; shorten it")
    for key in _NOT_OVER_TEMPLATES if item.kind == DROP_IN and item.name.endswith("@") else ():
        if key in item.raw:
            remedy = "A drop-in is for all instances of a template, and switches none; take it out"
            item.add(f".{key}", item.raw[key], "no such key for a drop-in over a template", remedy)
    if item.kind == JOB and checked["type"] != "oneshot":
        item.add(".type", checked["type"], "oneshot for a scheduled job", "Take the key type out")
    remains = (checked["directives"].get("Service", {}).get("RemainAfterExit") or ["no"])[-1]
    if item.kind == JOB and remains.lower() in v.TRUE:
        remedy = "A unit that stays active is not started at its next time; take it out"
        item.add(".directives.Service.RemainAfterExit", remains, "no for a scheduled job", remedy)
    if item.kind == JOB and checked["retries"] and checked["restart"] == "no":
        item.add(".retries", checked["retries"], "no retries with restart: 'no'", "Take one of the two out")
    if item.kind == JOB and checked["retries"] == 0 and "restart" in item.raw and checked["restart"] != "no":
        item.add(".restart", checked["restart"], "restart: 'no' with retries: 0", "Take one of the two out")


def _check_start_limit(item: _Item, checked: Mapping[str, Any]) -> None:
    """Refuse a start limit that never acts, and one beside the retries that it would take the place of."""
    burst, interval = checked["start_limit_burst"], checked["start_limit_interval_sec"]
    is_off = interval is not None and v.seconds(interval) == 0
    own = "StartLimitIntervalSec" in checked["directives"].get("Unit", {})
    if item.kind == JOB and checked["retries"] is not None:
        for key in ("start_limit_burst", *(["start_limit_interval_sec"] if is_off and checked["retries"] else [])):
            if key in item.raw:
                item.add(f".{key}", checked[key], "a start limit of its own, or retries", "Take one of the two out")
    elif item.kind == JOB and burst == 0:
        item.add(".start_limit_burst", 0, "at least 1, since systemd takes 0 for no limit", "Write retries instead")
    elif burst is not None and not own and (is_off or (item.kind == JOB and interval is None)):
        remedy = "Add start_limit_interval_sec" + (", or write retries instead" if item.kind == JOB else "")
        item.add(".start_limit_burst", burst, "a window in which it counts", remedy)


def _check_hidden(item: _Item, checked: Mapping[str, Any]) -> None:
    """Refuse keys that are written out and without effect, since a directive of the user's takes their place."""
    places = [(key.name, key.section, key.directive) for key in DIRECTIVE_KEYS if key.directive]
    for name, section, directive in (
        *places,
        ("retries", "Unit", "StartLimitBurst"),
        ("retries", "Service", "Restart"),
    ):
        if name in item.raw and directive in checked["directives"].get(section, {}):
            expected = f"{name} or directives.{section}.{directive}, which overrides it"
            item.add(f".{name}", _Said("both of them"), expected, "Take one of the two out")


def _check_runtime(item: _Item, checked: Mapping[str, Any]) -> None:
    for key, found, expected, remedy in faults(checked):
        item.add(key, _Said(found), expected, remedy)


def _check_directives(item: _Item, checked: Mapping[str, Any]) -> None:
    for section, remedy in _SECTIONS_REFUSED[item.kind].items():
        if section in checked["directives"]:
            expected = f"no section {section} for {_KINDS[item.kind]}"
            item.add(f".directives.{section}", checked["directives"][section], expected, remedy)


#: Sections that have no effect for a kind of service, and what to do instead.
_SECTIONS_REFUSED = {
    DAEMON: {"Timer": "Add on_calendar"},
    JOB: {},
    DROP_IN: {"Timer": "Take it out", "Install": "Use enabled; systemd reads [Install] only in the unit file"},
}


def _expanded(value: Any, instance: str) -> Any:
    if isinstance(value, str):
        return with_instance(value, instance)
    if isinstance(value, list):
        return [_expanded(member, instance) for member in value]
    if isinstance(value, Mapping):
        return {name: _expanded(member, instance) for name, member in value.items()}
    return value


def _members(item: _Item, service: Service) -> tuple[Service, ...]:
    """Return the services that the instances of a template make; a health check is judged for each of them."""
    members = []
    for instance in service.values["instances"] if service.is_template else ():
        own = {name: _expanded(service.values[name], instance) for name in _WITH_INSTANCE}
        values = {**service.values, **own}
        asked = item.raw.get("health")
        if (
            asked is not None
            and not service.is_job
            and not item.check(values, KEYS["health"], _expanded(asked, instance))
        ):
            break
        name = f"{service.name}{instance}"
        members.append(replace(service, name=name, template=service.name, values=values))
    return tuple(members)


def _parse_one(item: _Item) -> Service:
    _check_name(item)
    _check_known(item)
    given = frozenset(str(key) for key in item.raw)
    if item.raw.get("state") == "absent":
        # Of such a one the keys are looked at only; drop_in: false says nothing.
        return Service(item.place, item.name, {}, given if item.kind == DROP_IN else given - {"drop_in"})
    checked = _checked_values(item)
    _check_together(item, checked)
    _check_start_limit(item, checked)
    _check_hidden(item, checked)
    _check_runtime(item, checked)
    _check_directives(item, checked)
    if item.kind == JOB and checked["retries"] == 0 and "restart" not in item.raw:
        checked["restart"] = "no"
    service = Service(item.place, item.name, checked, given)
    return replace(service, members=_members(item, service))


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
    problems: list[Problem] = []
    services: list[Service] = []
    names: list[tuple[int, str]] = []
    for index, member in ListOf("services", "name, user and exec_start").members(raw, option, problems):
        services.append(_parse_one(_Item(option, index, member, problems)))
        names.append((index, services[-1].name))
    _check_unique(option, [pair for pair in names if pair[1]], problems)
    if problems:
        raise InvalidInput(problems)
    return services
