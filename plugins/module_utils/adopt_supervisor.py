# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs of supervisord that run Python, as daemons of ``stability_services``.

The rules are those of supervisord's documentation, "Configuration File", and of how it reads it.
"""

from __future__ import annotations

import configparser
import glob
import os
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Optional

from .adopt_model import Found, Item, Mark, in_order, service_name
from .adopt_secrets import Secrets, speaks_of_secret
from .adopt_shell import find_program, program_names
from .adopt_started import started_as
from .adopt_supervisors import Inherited, Supervisor, inherited_from, supervisors
from .adopt_units import hidden_command
from .audit_model import Unit
from .masking import has_credentials

#: Where supervisord looks when it is not told, and where packages put its file.
FILES = ("/etc/supervisord.conf", "/etc/supervisor/supervisord.conf")
_PROGRAM = "program:"
#: Sections that need supervisord itself.
_OF_SUPERVISOR = ("eventlistener:", "fcgi-program:")
_VARIABLE = re.compile(r"%\(ENV_(\w+)\)s")
_TRUE = ("1", "true", "yes", "on")
#: What supervisord does when nothing is said.
_USUAL = {"priority": "999", "stopsignal": "TERM", "exitcodes": "0", "startsecs": "1"}
_USUAL_SETTLE = 8


@dataclass(frozen=True)
class Configuration:
    """What a supervisord is told: its file, the sections with options as text, and in which file each section stands."""

    path: str
    sections: Mapping[str, Mapping[str, str]]
    files: Mapping[str, str] = field(default_factory=dict)
    inherited: Inherited = field(default_factory=Inherited)


class Unexpandable(ValueError):
    """An option that supervisord itself would refuse, or a program that may be no Python; the text says why."""


def _parser(path: str) -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser(inline_comment_prefixes=(";", "#"), strict=False)
    with open(path, encoding="utf-8", errors="surrogateescape") as stream:
        parser.read_file(stream)
    return parser


def _included(parser: configparser.RawConfigParser, path: str) -> list[str]:
    here = os.path.dirname(path)
    patterns = parser.get("include", "files", fallback="")
    words = patterns.replace("%(here)s", here).replace("%(host_node_name)s", os.uname().nodename).split()
    return [file for word in words for file in sorted(glob.glob(os.path.join(here, word)))]


def read_configuration(path: str, found: Found) -> Optional[Configuration]:
    """Return what the file at ``path`` and those that it includes say; ``None`` where there is none."""
    sections: dict[str, dict[str, str]] = {}
    files: dict[str, str] = {}
    try:
        waiting = [(path, _parser(path))]
        waiting += [(file, _parser(file)) for file in _included(waiting[0][1], path)]
    except FileNotFoundError:
        return None
    except OSError as error:
        found.unseen.append(f"{error.filename} ({error.strerror})")
        return None
    except configparser.Error as error:
        found.unseen.append(f"{path} ({str(error).splitlines()[0]})")
        return None
    for file, parser in waiting:
        for section in parser.sections():
            sections.setdefault(section, {}).update(parser.items(section))
            files[section] = file
    return Configuration(path, sections, files)


def variables_in(text: str) -> dict[str, str]:
    """Return what ``KEY=val,KEY2="val2"`` sets, as supervisord takes it apart."""
    lexer = shlex.shlex(text)
    lexer.wordchars += "/.+-():"
    try:
        tokens = list(lexer)
    except ValueError:
        raise Unexpandable("environment has quotes that do not end") from None
    variables = {}
    for index in range(0, len(tokens), 4):
        triple = tokens[index : index + 3]
        if len(triple) != 3 or triple[1] != "=":
            raise Unexpandable("environment is no list of KEY=value")
        variables[triple[0]] = triple[2].strip("'\"")
    return variables


class _Program:
    """One process of a program: its options, expanded."""

    def __init__(
        self, name: str, configuration: Configuration, section: str, number: int, known: dict[str, str]
    ) -> None:
        self.options = configuration.sections[section]
        self.shared = configuration.sections.get("supervisord", {})
        self.secrets = Secrets(name, known)
        self.inherited = configuration.inherited
        #: What stands for variables meanwhile: a placeholder has blanks, which would be taken for ends of words.
        self._stand_ins: dict[str, str] = {}
        self._variables: dict[str, str] = {}
        self._known: dict[str, Any] = {
            "program_name": section.partition(":")[2],
            "group_name": section.partition(":")[2],
            "process_num": number,
            "numprocs": count_of(self.options),
            "here": os.path.dirname(configuration.files.get(section, configuration.path)),
            "host_node_name": os.uname().nodename,
        }

    def expanded(self, name: str, text: str) -> str:
        """Return an option with what supervisord puts in place; what hides variables is put there by :meth:`restored`."""
        given = {f"ENV_{variable}": self._given(variable) for variable in _VARIABLE.findall(text)}
        try:
            return text % {**self._known, **given}
        except (KeyError, TypeError, ValueError):
            raise Unexpandable(f"{name} has an expression that supervisord does not know") from None

    def _given(self, variable: str) -> str:
        value = self._variables.get(variable)
        if value is not None and not (speaks_of_secret(variable) or has_credentials(value)):
            return value
        # Variables of its own environment are ours to give.
        hidden = self.secrets.placeholder(variable, f"%(ENV_{variable})s" if value is None else self.restored(value))
        return self._stand_ins.setdefault(hidden, f"stand{len(self._stand_ins)}in")

    def restored(self, text: str) -> str:
        """Return a part of what :meth:`expanded` returned, complete."""
        for hidden, stand_in in self._stand_ins.items():
            text = text.replace(stand_in, hidden)
        return text

    def option(self, name: str) -> str:
        """Return an option, empty when it is not set."""
        return self.restored(self.expanded(name, self.options.get(name, ""))).strip()

    def command(self) -> list[str]:
        """Return the words of the command."""
        try:
            return [
                self.restored(word) for word in shlex.split(self.expanded("command", self.options.get("command", "")))
            ]
        except ValueError:
            raise Unexpandable("command has quotes that do not end") from None

    def environment(self) -> dict[str, str]:
        """Return the variables that supervisord sets for all, and for this program; other options can name them from then on."""
        for each in (self.shared, self.options):
            self._variables.update(variables_in(self.expanded("environment", each.get("environment", ""))))
        return {name: self.restored(value) for name, value in self._variables.items()}


def count_of(options: Mapping[str, str]) -> int:
    """Return how many processes a program has."""
    text = options.get("numprocs", "1").strip()
    return int(text) if text.isdigit() else 1


def _policy(program: _Program, item: Item, values: dict[str, Any]) -> None:
    # supervisord's own default is none that comes back after an expected end.
    restart = program.option("autorestart").lower() or "unexpected"
    if restart == "unexpected":
        values["restart"] = "on-failure"
        codes = [code.strip() for code in program.option("exitcodes").split(",") if code.strip() not in ("", "0")]
        if codes:
            values["directives"] = {"Service": {"SuccessExitStatus": " ".join(codes)}}
    elif restart and restart not in _TRUE:
        values["restart"] = "no"
    if "restart" in values:
        item.mark(f"restart: {values['restart']} is autorestart={restart}; without it, it comes back after every end")
    if program.option("autostart") and program.option("autostart").lower() not in _TRUE:
        values.update(state="stopped", enabled=False)
        item.mark("autostart=false: without state and enabled a run starts it, and each boot does")
    signal, wait, settle = map(program.option, ("stopsignal", "stopwaitsecs", "startsecs"))
    if signal and signal != _USUAL["stopsignal"]:
        values["kill_signal"] = signal if signal.startswith("SIG") else f"SIG{signal}"
    if wait.isdigit():
        values["timeout_stop_sec"] = f"{wait}s"
    if settle.isdigit() and int(settle) > _USUAL_SETTLE:
        values["settle_sec"] = f"{settle}s"


def _marks(program: _Program, item: Item, place: str) -> None:
    number = program.option("priority")
    if number and number != _USUAL["priority"]:
        item.mark(f"priority={number}: what has to start first belongs into after")
    for name in ("stdout_logfile", "stderr_logfile"):
        written = program.option(name)
        if written.startswith("/") and not written.startswith("/dev/"):
            item.mark(f"its output went to {written}; now it goes to the journal")
    if count_of(program.options) > 1:
        text = f"numprocs={count_of(program.options)} made a service for each process; a template with instances is one item"
        item.mark(text)
    item.mark(
        f"supervisord keeps it running until the section is taken out of {place} (supervisorctl update); both at once clash"
    )


def _user(program: _Program, item: Item) -> str:
    user = program.option("user") or program.expanded("user", program.shared.get("user", "")).strip() or "root"
    if user == "root":
        item.mark("it runs as root; name a user of its own, if it does not need that")
    return user


def _item_of(name: str, program: _Program, place: str) -> Optional[Item]:
    """Return the service of one process; ``None`` when it is no Python."""
    environment = program.environment()
    directory = program.option("directory") or program.expanded("directory", program.shared.get("directory", ""))
    path = environment.get("PATH", program.inherited.path)
    argv = program.command()
    if not argv:
        raise Unexpandable("there is no command")
    item = Item({}, place)
    found = find_program(argv[0], directory, path)
    if argv[0] != found:
        item.mark(f"{argv[0]} is {found} on this host" if found else f"{argv[0]} is not found; write its whole path")
    argv[0] = found or argv[0]
    started = started_as(argv, directory, path)
    if started.is_python is None:
        raise Unexpandable(f"whether it starts a Python cannot be told ({', '.join(started.doubts)})")
    if not started.is_python:
        return None
    values: dict[str, Any] = {
        "name": name,
        "user": _user(program, item),
        "exec_start": hidden_command(argv, program.secrets),
        "working_directory": os.path.normpath(directory) if directory.startswith("/") else "",
        "environment": program.secrets.environment(environment),
    }
    umask = program.option("umask") or program.expanded("umask", program.shared.get("umask", ""))
    if umask and umask.lstrip("0") != "22":
        values["umask"] = umask.rjust(4, "0")
    _policy(program, item, values)
    _marks(program, item, place)
    told = program.inherited.told(environment)
    if told:
        item.mark(told)
    if program.secrets.variables:
        item.mark(program.secrets.told())
    item.programs = (*program_names(argv, {"PATH": path, **environment}), *started.pythons)
    item.values = in_order(values)
    return item


def services_of(configuration: Configuration, known: dict[str, str]) -> Found:
    """Return the programs of a supervisord that run Python; ``known`` has the secrets that were found so far."""
    found = Found()
    for section, options in configuration.sections.items():
        place = f"{configuration.files.get(section, configuration.path)} [{section}]"
        if section.startswith(_OF_SUPERVISOR):
            found.marks.append(
                Mark(place, "only supervisord can run such a one; write an item, if it runs without, too")
            )
        if not section.startswith(_PROGRAM):
            continue
        own = service_name(section[len(_PROGRAM) :].strip())
        number, first = count_of(options), options.get("numprocs_start", "0")
        begin = int(first) if first.isdigit() else 0
        for process in range(begin, begin + number):
            name = f"{own}-{process}" if number > 1 else own
            try:
                item = _item_of(name, _Program(name, configuration, section, process, known), place)
            except Unexpandable as error:
                found.marks.append(Mark(place, f"{error}; write an item for it"))
                break
            if item is not None:
                found.items.append(item)
    return found


def configuration_files(running: Iterable[Supervisor]) -> list[str]:
    """Return the files of supervisord: the usual ones, and those that one which runs, or a unit starts, was given."""
    return list(dict.fromkeys((*FILES, *(path for each in running for path in each.files()))))


def read_supervisor(known: dict[str, str], units: Sequence[Unit] = ()) -> Found:
    """Return the programs of every supervisord of the host; ``units`` are those that may start one."""
    found = Found()
    seen: set[str] = set()
    running = supervisors(units)
    for path in configuration_files(running):
        real = os.path.realpath(path)
        configuration = None if real in seen else read_configuration(path, found)
        seen.add(real)
        if configuration is not None:
            found.add(services_of(replace(configuration, inherited=inherited_from(running, path)), known))
    return found
