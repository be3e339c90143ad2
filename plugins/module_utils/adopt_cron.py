# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines of crontab(5) that run Python, as scheduled jobs of ``stability_services``."""

from __future__ import annotations

import os
import pwd
import re
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Optional

from .adopt_cron_times import Undecidable, calendar_of, every_minute
from .adopt_model import Found, Item, Mark, in_order, service_name
from .adopt_secrets import Secrets
from .adopt_shell import WRAPPERS, Command, NeedsShell, parse_command, program_names
from .adopt_shell_words import without_background
from .adopt_started import SCRIPTS, Started, started_by, started_in
from .adopt_units import hidden_command
from .audit_processes import is_python, named_python

CRONTAB, FOLDER = "/etc/crontab", "/etc/cron.d"
SPOOLS = ("/var/spool/cron/crontabs", "/var/spool/cron")
#: cron(8): other names are not read in its folder.
_READ_NAME = re.compile(r"[A-Za-z0-9_-]+\Z")
_SETTING = re.compile(r"""(?:"([^"]*)"|'([^']*)'|([^\s=]+))\s*=\s*(.*?)\s*\Z""")
_LINE = re.compile(r"(@[A-Za-z]+|(?:\S+\s+){4}\S+)\s+(.*)\Z")
#: crontab(5): what cron sets where the file says nothing.
_PATH, _SHELL = "/usr/bin:/bin", "/bin/sh"
#: What cron itself reads, or systemd sets for a user.
_NOT_OF_PROCESS = ("SHELL", "MAILTO", "MAILFROM", "HOME", "LOGNAME", "USER", "CRON_TZ", "RANDOM_DELAY")
_SCRIPT = re.compile(r"([\w.-]+?)(?:\.py)?\Z")
#: Scripts of which the next word says what they do.
_WITH_VERB = ("manage", "django-admin", "flask", "celery", "invoke")


@dataclass(frozen=True)
class Line:
    """One line of a crontab: where it stands, who runs what and when, and the variables that are set above it."""

    path: str
    number: int
    user: str
    schedule: str
    command: str
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def place(self) -> str:
        """Where it stands."""
        return f"{self.path}:{self.number}"

    @property
    def home(self) -> str:
        """The folder that cron starts it in; empty where that is not there."""
        return self.variables.get("HOME") or _home(self.user)


def lines_in(text: str, path: str, user: str) -> Iterator[Line]:
    """Yield the lines of a crontab; without a ``user``, each line names its own."""
    variables: dict[str, str] = {}
    for number, line in enumerate(text.split("\n"), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        setting = _SETTING.match(line)
        if setting is not None:
            name, value = next(filter(None, setting.groups()[:3]), ""), setting[4]
            if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
                value = value[1:-1]
            variables = {**variables, name: value}
            continue
        match = _LINE.match(line)
        if match is None:
            continue
        schedule, command, runs_as = match[1], match[2], user
        if not user:
            runs_as, command = (*command.split(maxsplit=1), "", "")[:2]
        yield Line(path, number, runs_as, " ".join(schedule.split()), command.strip(), variables)


def _sources(found: Found) -> Iterator[tuple[str, str]]:
    """Yield each crontab that cron reads, and whose it is (empty: each line says it)."""
    yield CRONTAB, ""
    for folder, own in ((FOLDER, False), *((spool, True) for spool in SPOOLS)):
        try:
            names = sorted(os.listdir(folder))
        except FileNotFoundError:
            continue
        except OSError as error:
            found.unseen.append(f"{folder} ({error.strerror})")
            continue
        for name in names:
            path = os.path.join(folder, name)
            if (own or _READ_NAME.match(name)) and not os.path.isdir(path):
                yield path, name if own else ""


def _read(path: str, found: Found) -> str:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as stream:
            return stream.read() if stat.S_ISREG(os.fstat(stream.fileno()).st_mode) else ""
    except (FileNotFoundError, IsADirectoryError):
        return ""
    except OSError as error:
        found.unseen.append(f"{path} ({error.strerror})")
        return ""


def _home(user: str) -> str:
    try:
        home = pwd.getpwnam(user).pw_dir
    except KeyError:
        return ""
    return home if os.path.isdir(home) else ""


def _started_by_wrapper(argv: list[str]) -> list[str]:
    """Return the command of the Python that a program such as flock(1) starts, nothing where none is seen; any other one as it is."""
    if not argv or os.path.basename(argv[0]) not in WRAPPERS:
        return argv
    begins = (index for index, word in enumerate(argv) if named_python(word) or ("/" in word and is_python(word)))
    return argv[next(begins, len(argv)) :]


def _job_name(line: Line, argv: list[str]) -> str:
    """Return a name for a job: of its module or script, else of the file that it stands in."""
    argv = _started_by_wrapper(argv)
    words = [word for word in argv[1:] if not word.startswith("-")]
    if "-m" in argv[:-1]:
        return service_name(argv[argv.index("-m") + 1].replace(".", "-"))
    is_script = "-c" not in argv and words and words[0].endswith(".py")
    base = os.path.basename(words[0] if is_script else argv[0] if argv else "")
    match = _SCRIPT.match(base)
    if match is None or re.match(r"(?:python|pypy)[0-9.]*\Z", match[1]) or "-c" in argv:
        return service_name(os.path.basename(line.path))
    verbs = words[1:] if is_script else words
    return service_name(f"{match[1]}-{verbs[0]}" if match[1] in _WITH_VERB and verbs else match[1])


def _unescaped(command: str) -> tuple[str, bool]:
    """Return what cron hands to the shell, and whether it hands something to its standard input, too (crontab(5), ``%``)."""
    before, percent, _input = re.sub(r"\\%", "\0", command).partition("%")
    return before.replace("\0", "%").rstrip(), bool(percent)


def _judge(item: Item, line: Line, command: Command) -> None:
    item.mark(f"take this line out of {line.path} once this is applied: until then it runs twice")
    item.mark("a run that failed is tried again; write retries: 0, if it must not run twice")
    if line.user == "root":
        item.mark("it runs as root; name a user of its own, if it does not need that")
    if command.outputs:
        files = ", ".join(dict.fromkeys(command.outputs))
        item.mark(f"its output went to {files}; now it goes to the journal")
    if line.variables.get("MAILTO"):
        item.mark(f"cron mailed its output to {line.variables['MAILTO']}; on_failure can tell somebody")
    if line.variables.get("CRON_TZ"):
        item.mark(f"CRON_TZ={line.variables['CRON_TZ']}: some crons take it for the times, others do not")
    if line.user and not _home(line.user):
        item.mark(f"cron starts it in the home folder of {line.user}, which is not there")


def _started(line: Line, text: str) -> Started:
    variables = {"SHELL": _SHELL, "LOGNAME": line.user, "USER": line.user, **line.variables}
    return started_by(text, line.home, line.variables.get("PATH", _PATH), variables)


def _item_of(line: Line, text: str, calendar: list[str], known: dict[str, str], pythons: list[str]) -> Item:
    path, home = line.variables.get("PATH", _PATH), line.home
    environment = {name: value for name, value in line.variables.items() if name not in _NOT_OF_PROCESS}
    if line.variables.get("HOME"):
        environment["HOME"] = home
    item = Item({}, line.place)
    try:
        command = parse_command(text, home, path)
        written = text.split()[0]
        if "/" not in written and command.argv[0].endswith(f"/{written}"):
            item.mark(f"{written} is {command.argv[0]} on this host")
    except NeedsShell as needs:
        shell = line.variables.get("SHELL", _SHELL)
        command = Command([shell, "-c", text], home)
        item.mark(f"a shell is needed ({needs}); write a list, if the same can be said without")
        if ">" in text:
            item.mark("what it writes to files by > does not get to the journal")
    name = _job_name(line, command.argv)
    secrets = Secrets(name, known)
    values: dict[str, Any] = {
        "name": name,
        "user": line.user,
        "exec_start": hidden_command(command.argv, secrets),
        "on_calendar": calendar,
        "working_directory": command.directory,
        "environment": secrets.environment({**environment, **command.environment}),
    }
    if every_minute(line.schedule):
        # systemd.timer(5): a timer may else be a minute late.
        values["directives"] = {"Timer": {"AccuracySec": "1s"}}
    _judge(item, line, command)
    if secrets.variables:
        item.mark(secrets.told())
    item.programs = (*program_names(command.argv, {"PATH": path, **command.environment}), *pythons)
    item.values = {**in_order(values), "name": name}
    return item


def services_of(lines: Iterable[Line], known: dict[str, str]) -> Found:
    """Return the jobs of ``lines`` that run Python; ``known`` has the secrets that were found so far, by their variables."""
    found = Found()
    for line in lines:
        item = _judged(line, found, known)
        if item is not None:
            found.items.append(item)
    return found


def _judged(line: Line, found: Found, known: dict[str, str]) -> Optional[Item]:
    """Return the job of a line; ``None`` for none, of which ``found`` then tells if it may be one."""
    written, has_input = _unescaped(line.command)
    text = without_background(written)
    started = _started(line, text)
    if started.is_python is False:
        return None
    try:
        calendar = calendar_of(line.schedule)
    except Undecidable as undecidable:
        calendar, said = (
            [],
            f"{undecidable}; write an item without on_calendar if it is a daemon, one with it if it is a job",
        )
    if started.is_python is None:
        why = ", ".join(started.doubts)
        said = f"whether it starts a Python cannot be told ({why}); write an item with on_calendar, if it does"
    elif calendar and has_input:
        said = "a % hands text to its standard input; write an item without that"
    elif calendar and started.in_background:
        said = (
            "it leaves a program in the background (&), which would end with the job; write an item for each program, "
            "or let the line wait for it"
        )
    elif calendar:
        item = _item_of(line, text, calendar, known, started.pythons)
        if text != written:
            item.mark(
                "the & at its end is left out: nobody waits for a job anyway, and systemd ends what it leaves behind"
            )
        return item
    found.marks.append(Mark(line.place, said))
    return None


def _is_python_script(path: str) -> bool:
    """Whether a script is one for Python, or for a shell that starts one."""
    return bool(started_by(path, "/", _PATH).pythons or started_in(path, "/", _PATH).pythons)


def _scripts() -> Iterator[Mark]:
    for folder in SCRIPTS:
        for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else ():
            path = os.path.join(folder, name)
            if _READ_NAME.match(name) and os.access(path, os.X_OK) and _is_python_script(path):
                yield Mark(path, "run-parts starts this script; write an item with on_calendar, if it is yours")


def read_cron(known: dict[str, str]) -> Found:
    """Return the jobs of all crontabs of the host."""
    found = Found()
    for path, user in list(_sources(found)):
        found.add(services_of(lines_in(_read(path, found), path, user), known))
    found.marks += _scripts()
    return found
