# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The system manager as the host's own tools show it: systemctl, systemd-analyze, journalctl."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone
from subprocess import TimeoutExpired
from typing import Optional

from .commands import EnvironmentFailure, Output, TimedOut, current_user
from .commands import run as run_as
from .commands import start as start_as
from .unit_names import instance_of, unit_of

#: The oldest systemd that is supported.
OLDEST = 247
#: systemd-analyze(1): from here on ``verify`` has ``--recursive-errors=``, without which it exits 0 on unknown keys.
RECURSIVE_ERRORS = 250
#: Seconds after which one of the host's tools hangs.
PATIENCE = 120.0
#: Verbs of systemctl(1) that wait for processes, as long as the units themselves say (``TimeoutStartSec=``, ``TimeoutStopSec=``).
_WAITS = ("start", "stop", "restart")
_MANAGERS = ("/usr/lib/systemd/systemd", "/lib/systemd/systemd")

_NOBODYS_INSTANCE = "stability-baseline"
#: systemd-escape(1).
_COLON = "\\x3a"
PROPERTIES = (
    "Id",
    "Names",
    "LoadState",
    "ActiveState",
    "SubState",
    "Result",
    "Type",
    "RemainAfterExit",
    "MainPID",
    "NRestarts",
    "ExecMainCode",
    "ExecMainStatus",
    "ActiveEnterTimestampMonotonic",
    "NeedDaemonReload",
    "FragmentPath",
    "DropInPaths",
    "TriggeredBy",
    "ControlGroup",
    "UnitFileState",
    "SourcePath",
    "InvocationID",
)

UnitState = Mapping[str, str]


class HostError(RuntimeError):
    """The host cannot do what is asked; the text says what to do."""


#: Without SYSTEMD_LOG_COLOR= systemd-analyze 247 colours what it says even where nobody reads it on a terminal, and no
#: line is recognised as one that shows a value.
_VARIABLES = {"LC_ALL": "C", "TZ": "UTC", "SYSTEMD_LOG_COLOR": "0"}


def run(argv: Sequence[str], patience: Optional[float] = PATIENCE) -> Output:
    """Run one of the host's own tools in the C locale and UTC, for at most ``patience`` seconds; without end for ``None``.

    Raises:
        HostError: it is not there, or it hangs.
    """
    try:
        return run_as(argv, current_user(), _VARIABLES, patience)
    except TimedOut as failure:
        raise HostError(f"{failure} Look at: systemctl is-system-running, systemctl list-jobs") from None
    except EnvironmentFailure as failure:
        raise HostError(f"{failure} Use a host that systemd manages.") from None


def version() -> int:
    """Return the version of the running systemd; :class:`HostError` when there is none or it is too old."""
    if not os.path.isdir("/run/systemd/system"):
        raise HostError("systemd does not run on this host (sd_booted(3)). Use a host that systemd manages.")
    words = run(["systemctl", "--version"]).stdout.split()
    found = int(words[1]) if len(words) > 1 and words[1].isdigit() else 0
    if found < OLDEST:
        raise HostError(f"systemd {found} is too old; {OLDEST} or newer is needed. Upgrade the host.")
    return found


class Question:
    """What systemd is asked about units in one call; it is answered while we do something else.

    A unit that does not exist has ``LoadState`` ``not-found``. A template has no properties itself; an instance that nobody
    has shows what its unit file says.
    """

    def __init__(self, units: Sequence[str], properties: Sequence[str] = PROPERTIES) -> None:
        self._units = units
        names = [instance_of(unit, _NOBODYS_INSTANCE) for unit in units]
        argv = ["systemctl", "show", "--property", ",".join(properties), "--", *names]
        try:
            self._process = start_as(argv, current_user(), _VARIABLES) if units else None
        except EnvironmentFailure as failure:
            raise HostError(f"{failure} Use a host that systemd manages.") from None

    def answer(self) -> dict[str, UnitState]:
        """Wait, and return the properties of each unit. To be called once."""
        if self._process is None:
            return {}
        try:
            output, errors = self._process.communicate(timeout=PATIENCE)
        except TimeoutExpired:
            self._process.kill()
            self._process.communicate()
            raise HostError(f"systemctl show did not end within {PATIENCE:.0f} seconds and was killed.") from None
        blocks = output.strip("\n").split("\n\n")
        if self._process.returncode or len(blocks) != len(self._units):
            raise HostError(f"systemctl show failed: {errors.strip() or output.strip()}")
        return {
            unit: dict(line.split("=", 1) for line in block.split("\n") if line)
            for unit, block in zip(self._units, blocks)
        }


def show(units: Sequence[str], properties: Sequence[str] = PROPERTIES) -> dict[str, UnitState]:
    """Return what :class:`Question` answers."""
    return Question(units, properties).answer()


def act(verb: str, units: Sequence[str], *options: str) -> str:
    """Run ``systemctl <verb>`` on all ``units`` at once; return what it complained about, empty when nothing."""
    done = run(["systemctl", *options, verb, "--", *units], None if verb in _WAITS else PATIENCE)
    return (done.stderr or done.stdout).strip() if done.status else ""


def daemon_reload() -> None:
    """Make the manager read its unit files again."""
    done = run(["systemctl", "daemon-reload"])
    if done.status:
        raise HostError(f"systemctl daemon-reload failed: {done.stderr.strip()}. Look at: systemctl status")


def known_directives() -> dict[str, set[str]]:
    """Return the directives that the host's systemd knows, by section; empty when it does not tell."""
    manager = next((path for path in _MANAGERS if os.path.exists(path)), "")
    if not manager:
        return {}
    known: dict[str, set[str]] = {}
    section = ""
    for line in run([manager, "--dump-configuration-items"]).stdout.split("\n"):
        if line.startswith("["):
            section = line.strip("[]")
        elif "=" in line:
            known.setdefault(section, set()).add(line.split("=", 1)[0])
    return known


def calendar(expressions: Sequence[str], iterations: int, moment: float = 1704067200.0) -> Output:
    """Let systemd-analyze(1) compute when ``expressions`` elapse next after ``moment``, in seconds since the epoch.

    That is the beginning of 2024 by default: a fixed day, so that every run sees the same.
    """
    base = datetime.fromtimestamp(moment, timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")
    return run(
        ["systemd-analyze", "calendar", "--base-time", base, "--iterations", str(iterations), "--", *expressions]
    )


def verify(texts: Mapping[str, str], systemd: int, fragments: Mapping[str, str]) -> list[str]:
    """Return every diagnostic of systemd-analyze(1) ``verify`` for files of units that are not installed yet.

    ``texts`` maps the name of a file to its text, ``fragments`` that of each drop-in to the unit file that it changes:
    what is wrong with that one alone is not ours. The exit status says nothing (0 on an unknown key), so each line
    that speaks of one of these units counts.
    """
    found = _verify(texts, systemd, fragments)
    if not (found and fragments):
        return found
    own = {name: text for name, text in texts.items() if name not in fragments}
    before = set(_verify({**own, **dict.fromkeys(fragments, "")}, systemd, fragments)) - set(_verify(own, systemd, {}))
    return [line for line in found if line not in before]


def _verify(texts: Mapping[str, str], systemd: int, fragments: Mapping[str, str]) -> list[str]:
    if not texts:
        return []
    with tempfile.TemporaryDirectory(prefix="stability-verify-") as folder:
        units = {name: _plain(unit_of(name)) for name in texts}
        for name, path in fragments.items():
            shutil.copyfile(path, os.path.join(folder, units[name]))
        for name, text in texts.items():
            path = os.path.join(folder, _plain(name))
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8") as stream:
                stream.write(text)
        options = ["--recursive-errors=no"] if systemd >= RECURSIVE_ERRORS else []
        paths = [os.path.join(folder, unit) for unit in dict.fromkeys(units.values())]
        done = run(["systemd-analyze", "verify", "--man=no", *options, *paths])
        found = _about(done.stderr.split("\n"), folder, units.values())
        failed = [line for line in done.stderr.split("\n") if line.startswith("Failed to ")] if done.status else []
        return found or [f"{next(iter(texts))}: systemd-analyze verify: {line}" for line in failed[:1]]


def _plain(name: str) -> str:
    """Return a name without colons: systemd-analyze(1) takes what follows one for another name of the unit."""
    return name.replace(":", _COLON)


def _about(lines: Iterable[str], folder: str, units: Iterable[str]) -> list[str]:
    """Return the ``lines`` that speak of one of the ``units``, without the name of the temporary folder.

    Of a template, systemd-analyze looks at the instance ``i``.
    """
    own = tuple(f"{name}:" for unit in units for name in (unit, instance_of(unit, "i")))
    kept = []
    for line in lines:
        if folder in line or line.startswith(own):
            kept.append(line.replace(f"{folder}/", "").replace(_COLON, ":").strip())
    return kept


def _journal(namespace: str, *arguments: str) -> Output:
    return run(["journalctl", *(["--namespace", namespace] if namespace else []), *arguments])


def sync_journal(namespace: str) -> None:
    """Let journald write down what it has received; the ``namespace`` "" is the default one."""
    _journal(namespace, "--sync")


def journal_tail(unit: str, since: float, until: float, namespace: str, lines: int = 12) -> list[str]:
    """Return the last lines in the journal of ``unit`` from ``since`` to ``until`` (seconds since the epoch), oldest first."""
    span = ["--since", f"@{since:.6f}", "--until", f"@{until:.6f}"]
    # journalctl(1): --lines= together with --since= shows the first records, unless --reverse is there too.
    output = ["--reverse", "--lines", str(lines), "--output", "json", "--output-fields", "MESSAGE", "--all", "--quiet"]
    done = _journal(namespace, "--unit", unit, *span, "--no-pager", *output)
    # Not splitlines(): a record may hold U+2028 and its like as they are.
    return message_lines(reversed(done.stdout.split("\n")))[-lines:]


def message_lines(records: Iterable[str]) -> list[str]:
    """Return the lines, empty ones left out, of the messages in ``records``, which journalctl(1) wrote as JSON.

    An empty record, as behind the last line end of its output, is none.
    A message that is no UTF-8 text is a list of bytes there; what cannot be read of it is replaced.
    """
    found: list[str] = []
    for record in filter(None, records):
        message = json.loads(record).get("MESSAGE") or ""
        if isinstance(message, list):
            message = bytes(byte for byte in message if isinstance(byte, int)).decode("utf-8", "replace")
        found += [line for line in message.splitlines() if line.strip()]
    return found


def loaded_instances(templates: Sequence[str]) -> list[str]:
    """Return the instances of ``templates`` (``worker@.service``) that run, wait or have failed."""
    if not templates:
        return []
    patterns = [instance_of(template, "*") for template in templates]
    done = run(["systemctl", "list-units", "--all", "--plain", "--no-legend", "--no-pager", "--full", "--", *patterns])
    if done.status:
        raise HostError(f"systemctl list-units failed: {done.stderr.strip()}")
    states = (line.split() for line in done.stdout.split("\n"))
    return [words[0] for words in states if len(words) > 2 and words[2] != "inactive"]


def own_units() -> set[str]:
    """Return the names of the units in whose control groups this process runs (cgroups(7))."""
    with open("/proc/self/cgroup", encoding="utf-8") as stream:
        return {part for line in stream for part in line.strip().split("/") if part.endswith((".service", ".scope"))}
