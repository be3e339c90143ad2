# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Units of somebody else that run Python, as members of ``stability_services``."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Optional

from . import values as v
from .adopt_model import Found, Item, Mark, in_order
from .adopt_secrets import Secrets
from .adopt_shell import SHELLS, find_program, program_names
from .adopt_timers import Timer
from .adopt_unit_keys import drop_defaults, take_keys
from .adopt_unit_text import Sections, resolved, sections_in, words_in
from .adopt_wrapped import Wrapped, direct_command
from .audit_model import Unit, UnitFile
from .calendar_period import other_triggers
from .service_keys import DAEMON, JOB, KEYS
from .unit_files import ENVIRONMENT
from .unit_names import is_instance, template_of
from .unit_state import OTHER_FOLDERS

#: Where packages put their units; below ``/usr/local`` they are somebody's own.
_OF_PACKAGES = tuple(f"{folder}/" for folder in OTHER_FOLDERS if folder.startswith(("/usr/lib", "/lib")))
#: Sections of a unit that a service has keys for.
#: What says how a job is tried again.
_OF_RETRIES = {"restart", "restart_sec", "restart_steps", "restart_max_delay_sec", "start_limit_interval_sec"}
_SECTIONS = ("Unit", "Service", "Timer", "Install")
#: systemd.service(5): a oneshot unit with one of these does not load.
_NOT_FOR_ONESHOT = ("always", "on-success")


@dataclass
class _Work:
    """One service while it is made from its units, which are several for a template."""

    members: Sequence[Unit]
    item: Item
    sections: Sections
    secrets: Secrets
    timers: Sequence[Timer] = ()
    wrapped: Optional[Wrapped] = None

    @property
    def unit(self) -> Unit:
        """The unit, or the instance that stands for all."""
        return self.members[0]

    @property
    def timer(self) -> Optional[Timer]:
        """The timer that starts it, or one that stands for those of the instances."""
        return self.timers[0] if self.timers else None

    @property
    def values(self) -> dict[str, Any]:
        return self.item.values

    @property
    def name(self) -> str:
        """The name of the unit, or of its template."""
        return template_of(self.unit.name)

    @property
    def service(self) -> dict[str, list[str]]:
        return self.sections.setdefault("Service", {})

    def mark(self, text: str) -> None:
        self.item.mark(text)


def _own_files(unit: Unit) -> list[str]:
    """Return the paths of the drop-ins that are for this unit alone, or for all instances of its template."""
    return [file.path for file in _drop_ins(unit) if f"/{template_of(unit.name)}.d/" in file.path]


def _drop_ins(unit: Unit) -> list[UnitFile]:
    """Return the drop-ins of a unit; systemd.unit(5): one that is empty, or a link to /dev/null, is none."""
    return [file for file in unit.files[1:] if file.text]


def is_of_package(unit: Unit) -> bool:
    """Whether a package brought the unit."""
    return bool(unit.files) and unit.files[0].path.startswith(_OF_PACKAGES)


def _left_out(unit: Unit) -> str:
    """Return why a unit is no service of the list; empty when it is one."""
    if unit.is_ours or any(file.is_our_drop_in for file in unit.files):
        return "it is of the baseline already, and stays in the list that it is in"
    if not unit.files or unit.properties.get("FragmentPath", unit.files[0].path) != unit.files[0].path:
        return "there is no unit file that could be read; write an item for it, if it is to stay"
    if unit.files[0].path.startswith("/run/"):
        return f"it is made anew at each boot ({unit.files[0].path}); write an item for it in place of what makes it"
    return ""


def _package_item(unit: Unit) -> Item:
    values: dict[str, Any] = {"name": template_of(unit.name).rpartition(".")[0], "drop_in": True}
    item = Item(values, unit.name)
    item.mark("the unit is of a package: only its restart policy is set; without this item it stays as it is")
    _judge_supervisor(item, unit)
    return item


def _judge_supervisor(item: Item, unit: Unit) -> None:
    if any(
        program.endswith("/supervisord") for program in (*unit.programs, *(unit.process.argv if unit.process else ()))
    ):
        item.mark("this is supervisord, whose programs are items of their own; take it out when they have moved")


def _timers_of(members: Sequence[Unit], timers: Mapping[str, Timer]) -> list[Timer]:
    """Return the timer with times of a calendar that starts a unit, its own one first.

    Of a template these are the timers of its instances, as far as they are of one template themselves.
    """
    own = f"{template_of(members[0].name).rpartition('.')[0]}.timer"
    named = dict.fromkeys(name for one in members for name in one.triggers)
    found = [timers[name] for name in named if name in timers and timers[name].has_calendar]
    found.sort(key=lambda timer: timer.template != own)
    return [timer for timer in found if timer.template == found[0].template]


def _find_program(work: _Work) -> None:
    """Give a program without a path the one that systemd has found."""
    lines, programs = work.service.get("ExecStart", []), work.unit.programs
    if len(lines) == 1 and len(programs) == 1 and re.match(r"[A-Za-z0-9_]", lines[0]):
        written = lines[0].split()[0]
        if "/" not in written and programs[0].endswith(f"/{written}"):
            lines[0] = f"{programs[0]}{lines[0][len(written) :]}"
            work.mark(f"{written} is {programs[0]} on this host")


def _take_environment(work: _Work) -> None:
    """Keep variables that only systemd can work out as a directive, which takes the place of the baseline's own ones."""
    lines = work.service.get("Environment")
    if lines:
        written = []
        for word in (word for line in lines for word in words_in(line) or [line]):
            name, _sign, value = word.partition("=")
            quoted = work.secrets.environment({name: value})[name]
            for character, escape in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n")):
                quoted = quoted.replace(character, escape)
            written.append(f'"{name}={quoted}"')
        written += [f"{name}={value}" for name, value in ENVIRONMENT.items()]
        work.service["Environment"] = written
        work.mark("directives.Service.Environment has specifiers, and stands in place of all variables of the baseline")


def _take_user(work: _Work) -> None:
    if "User" in work.service:
        work.mark(f"User={work.service.pop('User')[-1]} is no user that a list can name; write user")
    if "user" not in work.values:
        # systemd.exec(5): the manager of the system runs as root.
        work.values["user"] = "root"
    if work.service.get("DynamicUser", ["no"])[-1].lower() in v.TRUE:
        if work.values["user"] == "root":
            work.values["user"] = work.values["name"].rstrip("@")
        work.mark("DynamicUser=yes: a run makes a user of this name for good; take DynamicUser out, or the item")
    elif work.values["user"] == "root":
        work.mark("it runs as root; name a user of its own, if it does not need that")


def _take_commands(work: _Work) -> None:
    """Look at what is started: one command in the list, others of a oneshot unit before it."""
    lines = work.service.pop("ExecStart", [])
    if len(lines) > 1:
        work.service.pop("ExecStartPre", None)
        work.values.pop("exec_start_pre", None)
        before = [*_written(work.unit, "ExecStartPre"), *lines[:-1]]
        split: Sections = {"Service": {"ExecStart": lines[-1:], "ExecStartPre": before}}
        work.values.update(take_keys(split, work.name, DAEMON))
        work.service.update(split["Service"])
        work.mark("the unit has several commands: the last one is exec_start, those before it are exec_start_pre")
    elif lines:
        work.service["ExecStart"] = lines
    command = work.values.get("exec_start")
    if isinstance(command, str):
        work.mark(
            "exec_start is in systemd's own syntax, which a list cannot say; write a list, if the same can be said"
        )
    elif command and command[0].rpartition("/")[2] in SHELLS and "-c" in command[:3]:
        work.mark("a shell starts it; write what the shell starts as a list, if that is all that it does")


def _take_wrapped(work: _Work) -> None:
    """Start Python itself where a shell does nothing but to wait for it; where it does more, that is told."""
    wrapped, values = work.wrapped, work.values
    if wrapped is None or not wrapped.is_in_shell:
        return
    stays = f"{wrapped.wrapper} stays between systemd and Python, and signals to the main process do not reach Python"
    command = None if "Environment" in work.service or is_instance(work.unit.name) else direct_command(values, wrapped)
    if command is None:
        shown = shlex.join(work.secrets.argv(wrapped.argv))
        several = "; it starts several of these: write an item for each" if wrapped.count > 1 else ""
        work.mark(f"{stays}: write what it starts ({shown}) as exec_start, or exec before that in its script{several}")
        return
    before = shlex.join(work.secrets.argv(values["exec_start"]))
    work.mark(f"{stays}: what it starts is exec_start now, in place of {before}")
    values["exec_start"] = command.argv
    if command.directory != values.get("working_directory", "/"):
        values["working_directory"] = command.directory
    if command.environment:
        values["environment"] = {**values.get("environment", {}), **command.environment}


def _written(unit: Unit, directive: str) -> list[str]:
    return sections_in(file.text for file in unit.files).get("Service", {}).get(directive, [])


def _take_limits(work: _Work) -> None:
    """Judge a start limit that the unit has; of a job, it is the baseline's own."""
    keys = [key for key in ("start_limit_interval_sec", "start_limit_burst") if key in work.values]
    if not keys:
        return
    if work.timer is not None or work.values.get("start_limit_interval_sec") == "0":
        for key in keys:
            del work.values[key]
        if work.timer is not None:
            work.mark("the start limit of the unit is left out: the baseline's own one bounds the tries of a job")
        return
    if "start_limit_interval_sec" not in work.values:
        work.values["start_limit_interval_sec"] = work.unit.properties.get("StartLimitIntervalUSec", "10s")
    work.mark("the start limit of the unit can end it for good; without start_limit_* it is never given up")


def _take_restart(work: _Work, kind: str) -> None:
    """Judge what keeps a service down when it has ended."""
    span = work.values.get("restart_sec", "")
    if span and v.seconds(v.time_span(span)) == float("inf"):
        del work.values["restart_sec"]
        usual = KEYS["restart_sec"].default(kind)
        work.mark(f"RestartSec={span} is left out: it would never come back; now it does after {usual}")
    codes = " ".join(work.service.get("RestartPreventExitStatus", ()))
    if codes:
        work.mark(
            f"RestartPreventExitStatus={codes} keeps it down after these ends; take it out, if it is to come back"
        )


def _path_of(work: _Work) -> str:
    """Return the ``PATH`` that its unit sets; empty for none."""
    words = [word for line in _written(work.unit, "Environment") for word in words_in(line) or ()]
    paths = [resolved(word[len("PATH=") :], work.name) for word in words if word.startswith("PATH=")]
    return (paths or [""])[-1] or ""


def _programs_of(work: _Work) -> tuple[str, ...]:
    """Return the programs in which the virtual environment can be seen: what runs, then what the unit starts."""
    process, wrapped, command = work.unit.process, work.wrapped, work.values.get("exec_start", [])
    path = _path_of(work)
    running = [*(process.argv[:2] if process else ()), *(wrapped.argv[:2] if wrapped else ())]
    running = [word if "/" in word else find_program(word, "", path) or "" for word in running]
    if isinstance(command, str):
        command = words_in(command.lstrip("@-:+!|")) or [command]
    return (*running, *program_names(command, {"PATH": path}))


def _take_daemon(work: _Work) -> None:
    values, properties = work.values, work.unit.properties
    kind = values.get("type", "")
    if kind == "forking":
        # systemd reads it so, too, and says that it should be written so.
        pid_file = [path.replace("/var/run/", "/run/", 1) for path in work.service.get("PIDFile", ())]
        work.service["PIDFile"] = pid_file
        work.mark("it puts itself into the background; let it stay in the foreground, and take type and PIDFile out")
    if kind == "oneshot":
        if values.get("restart", "no") in ("no", *_NOT_FOR_ONESHOT):
            values["restart"] = "no"
        if work.service.get("RemainAfterExit", ["no"])[-1].lower() not in v.TRUE:
            values["state"] = "stopped"
            work.mark("it is done at once and has no timer: it is not started; on_calendar makes it a scheduled job")
    elif values.get("restart", "always") != "always":
        work.mark(f"restart: {values['restart']} is what the unit says; without it, it comes back after every end")
    if not work.unit.is_up and "state" not in values:
        if properties.get("ActiveState") == "failed":
            work.mark("it has failed; a run starts it again")
        else:
            values["state"] = "stopped"
            work.mark("it did not run; without state: stopped a run starts it")
    if not properties.get("UnitFileState", "").startswith("enabled"):
        values["enabled"] = False
        work.mark("it is not enabled; without enabled: false it is started at each boot")
    for name in work.unit.triggers:
        work.mark(f"{name} starts it, too, and stays as it is")


def _take_job(work: _Work, timer: Timer) -> None:
    values = work.values
    if values.pop("type", "oneshot") not in ("oneshot", "exec"):
        work.mark("a scheduled job is oneshot: it is up until its command is done")
    if other_triggers(work.sections) and "start_limit_burst" not in values:
        for key in _OF_RETRIES & values.keys():
            del values[key]
        values["retries"] = 0
        work.mark(
            "it is not tried again: its timer starts it beside the calendar, and each of those starts would count as a try"
        )
    elif values.get("restart") in _NOT_FOR_ONESHOT:
        del values["restart"]
        work.mark("a job that is done is not started again; the unit said so")
    elif "restart" not in values:
        work.mark("a run that failed is tried again; write retries: 0, if it must not run twice")
    if work.service.pop("RemainAfterExit", None):
        work.mark("RemainAfterExit= is left out: a unit that stays up is not started at its next time")
    if work.unit.properties.get("UnitFileState", "").startswith("enabled"):
        work.mark(f"{work.unit.name} is enabled as well, and so runs at each boot, which a job of the list does not")
    _judge_timers(work, timer)
    if not timer.is_active:
        values["state"] = "stopped"
        work.mark("its timer did not wait; without state: stopped a run starts the timer")
    if not timer.is_enabled:
        values["enabled"] = False
        work.mark("its timer is not enabled; without enabled: false it is started at each boot")


def _judge_timers(work: _Work, timer: Timer) -> None:
    """Say which timers stay beside the one that a run writes; of instances, that one is a template, too."""
    own, named = f"{work.values['name']}.timer", [one.name for one in work.timers]
    if timer.template != own:
        names = " ".join(named)
        work.mark(f"{', '.join(named)} starts it, too: disable and remove it (systemctl disable --now {names})")
    for name in dict.fromkeys(name for one in work.members for name in one.triggers if name not in named):
        work.mark(f"{name} starts it, too, and stays as it is")
    for one in work.timers if timer.template == own else ():
        _judge_files(work, one.name, one.files, one.own_drop_ins())
    without = [one.name for one in work.members if not any(name in one.triggers for name in named)]
    if without:
        work.mark(f"{', '.join(without)} had no timer; with on_calendar each instance has one")
    if len({(one.is_active, one.is_enabled) for one in work.timers}) > 1:
        work.mark(f"the timers do not all wait, or are not all enabled; what is said of {timer.name} is written")


def _judge_files(work: _Work, name: str, paths: Sequence[str], own: Sequence[str]) -> None:
    """Say what becomes of the files of a unit or timer, whose drop-ins in ``own`` are taken over."""
    if is_instance(name) and paths and paths[0].endswith(f"/{name}"):
        work.mark(f"{paths[0]} is of one instance alone: remove it, else it counts in place of what a run writes")
    for path in own:
        work.mark(f"what {path} says is taken over: remove that file once this is applied, until then both count")
    for path in paths[1:] if is_instance(name) else ():
        if f"/{name}.d/" in path:
            work.mark(f"what {path} says is of one instance alone, and stays there")


def _take_directives(work: _Work) -> None:
    """Keep all that has no key as it is; sections that a service cannot have are told."""
    directives: dict[str, dict[str, Any]] = {}
    for section, entries in work.sections.items():
        if section not in _SECTIONS:
            work.mark(f"the section {section} is left out")
            continue
        for name, lines in entries.items():
            if lines:
                written = lines if name == "Environment" else [_without_secret(work, name, line) for line in lines]
                directives.setdefault(section, {})[name] = written if len(written) > 1 else written[0]
    if directives:
        work.values["directives"] = directives
    outputs = {name for name in ("StandardOutput", "StandardError") if name in directives.get("Service", {})}
    if outputs:
        work.mark(f"{' and '.join(sorted(outputs))} of the unit: without it the output is in the journal")


def _without_secret(work: _Work, directive: str, line: str) -> str:
    if directive.startswith("SetCredential"):
        name, colon, value = line.partition(":")
        return f"{name}{colon}{work.secrets.placeholder(name, value)}" if value else line
    return work.secrets.text(line)


def _hide_secrets(work: _Work) -> None:
    values, secrets = work.values, work.secrets
    for key in ("exec_start", "exec_start_pre", "exec_reload"):
        if key in values:
            values[key] = hidden_command(values[key], secrets)
    if "environment" in values:
        values["environment"] = secrets.environment(values["environment"])
    if "description" in values:
        values["description"] = secrets.text(values["description"])


def hidden_command(command: Any, secrets: Secrets) -> Any:
    """Return a command, or a list of commands, without secrets."""
    if isinstance(command, str):
        return secrets.text(command)
    if command and isinstance(command[0], list):
        return [hidden_command(each, secrets) for each in command]
    return secrets.argv(command)


def _item_of(
    members: Sequence[Unit], timers: Sequence[Timer], known: dict[str, str], wrapped: Optional[Wrapped] = None
) -> Item:
    """Return the service of a unit, or of the instances of one template."""
    unit = members[0]
    name = template_of(unit.name).rpartition(".")[0]
    own = _own_files(unit)
    item = Item({"name": name}, unit.name)
    sections = sections_in(file.text for file in unit.files if file.path == unit.files[0].path or file.path in own)
    work = _Work(members, item, sections, Secrets(name.rstrip("@"), known), timers, wrapped)
    timer = work.timer
    if timer is not None:
        sections.pop("Timer", None)
        sections["Timer"] = {
            key: list(lines) for key, lines in timer.sections.get("Timer", {}).items() if key != "Unit"
        }
        sections["Install"] = {key: list(lines) for key, lines in timer.sections.get("Install", {}).items()}
    kind = DAEMON if timer is None else JOB
    _find_program(work)
    item.values.update(take_keys(sections, work.name, kind))
    if is_instance(unit.name):
        item.values["instances"] = [one.name[len(name) : -len(".service")] for one in members]
        if len({(one.is_up, one.properties.get("UnitFileState")) for one in members}) > 1:
            item.mark(f"the instances are not all up, or not all enabled; what is said of {unit.name} is written")
    _take_environment(work)
    _take_user(work)
    _take_wrapped(work)
    _take_commands(work)
    _take_limits(work)
    _take_restart(work, kind)
    drop_defaults(item.values, sections, kind)
    if timer is None:
        _take_daemon(work)
    else:
        _take_job(work, timer)
    _judge_supervisor(item, unit)
    for one in members:
        _judge_files(work, one.name, [file.path for file in (*one.files[:1], *_drop_ins(one))], own)
    item.programs = _programs_of(work)
    _hide_secrets(work)
    _take_directives(work)
    if work.secrets.variables:
        item.mark(work.secrets.told())
    item.values = in_order(item.values)
    return item


def services_of(
    units: Iterable[Unit],
    timers: Mapping[str, Timer],
    known: dict[str, str],
    wrapped: Optional[Mapping[str, Wrapped]] = None,
) -> Found:
    """Return what the list says of ``units``; those that it cannot have are marked.

    ``known`` has the secrets that were found so far, by their variables, ``wrapped`` the Pythons below another program, by unit.
    """
    below = wrapped or {}
    found = Found()
    groups: dict[str, list[Unit]] = {}
    for unit in units:
        groups.setdefault(template_of(unit.name), []).append(unit)
    for template, members in groups.items():
        reason = _left_out(members[0])
        chosen = _timers_of(members, timers)
        named = sorted(name for one in members for name in one.triggers if name.endswith(".timer"))
        if reason:
            found.marks.append(Mark(template, reason))
        elif is_of_package(members[0]):
            if members[0].is_daemon and members[0].is_up:
                found.items.append(_package_item(members[0]))
        elif named and not chosen:
            text = f"{', '.join(named)} starts it at no times of a calendar, and it stays as it is; write an item with on_calendar"
            found.marks.append(Mark(template, text))
        else:
            found.items.append(_item_of(members, chosen, known, below.get(members[0].name)))
    return found
