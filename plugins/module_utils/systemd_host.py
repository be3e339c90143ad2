# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The system manager as the host's own tools show it: systemctl, systemd-analyze, journalctl."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence

from .commands import EnvironmentFailure, Output, current_user
from .commands import run as run_as

#: The oldest systemd that is supported.
OLDEST = 247
#: systemd-analyze(1): from here on ``verify`` has ``--recursive-errors=``, without which it exits 0 on unknown keys.
_RECURSIVE_ERRORS = 250
_MANAGERS = ("/usr/lib/systemd/systemd", "/lib/systemd/systemd")

PROPERTIES = (
    "Id",
    "LoadState",
    "ActiveState",
    "SubState",
    "Result",
    "Type",
    "MainPID",
    "NRestarts",
    "ExecMainCode",
    "ExecMainStatus",
    "ActiveEnterTimestampMonotonic",
    "NeedDaemonReload",
    "FragmentPath",
    "DropInPaths",
    "ControlGroup",
    "UnitFileState",
)

UnitState = Mapping[str, str]


class HostError(RuntimeError):
    """The host cannot do what is asked; the text says what to do."""


def run(argv: Sequence[str]) -> Output:
    """Run one of the host's own tools in the C locale and UTC."""
    try:
        return run_as(argv, current_user(), {"LC_ALL": "C", "TZ": "UTC"})
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


def show(units: Sequence[str], properties: Sequence[str] = PROPERTIES) -> dict[str, UnitState]:
    """Return the properties of each unit in one call; a unit that does not exist has ``LoadState`` ``not-found``."""
    if not units:
        return {}
    done = run(["systemctl", "show", "--property", ",".join(properties), "--", *units])
    blocks = done.stdout.strip("\n").split("\n\n")
    if done.status or len(blocks) != len(units):
        raise HostError(f"systemctl show failed: {done.stderr.strip() or done.stdout.strip()}")
    return {unit: dict(line.split("=", 1) for line in block.splitlines()) for unit, block in zip(units, blocks)}


def act(verb: str, units: Sequence[str], *options: str) -> str:
    """Run ``systemctl <verb>`` on all ``units`` at once; return what it complained about, empty when nothing."""
    done = run(["systemctl", *options, verb, "--", *units])
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
    for line in run([manager, "--dump-configuration-items"]).stdout.splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif "=" in line:
            known.setdefault(section, set()).add(line.split("=", 1)[0])
    return known


def calendar(expressions: Sequence[str], iterations: int) -> Output:
    """Let systemd-analyze(1) compute when ``expressions`` elapse, from a fixed day, so that every run sees the same."""
    base = ["--base-time", "2024-01-01 00:00:00 UTC", "--iterations", str(iterations)]
    return run(["systemd-analyze", "calendar", *base, "--", *expressions])


def verify(texts: Mapping[str, str], systemd: int) -> list[str]:
    """Return every diagnostic of systemd-analyze(1) ``verify`` for unit files that are not installed yet.

    ``texts`` maps the name of a unit to its text. Its exit status says nothing (0 on an unknown key), so each line
    that speaks of one of these units counts.
    """
    if not texts:
        return []
    with tempfile.TemporaryDirectory(prefix="stability-verify-") as folder:
        for name, text in texts.items():
            with open(os.path.join(folder, name), "w", encoding="utf-8") as stream:
                stream.write(text)
        options = ["--recursive-errors=no"] if systemd >= _RECURSIVE_ERRORS else []
        paths = [os.path.join(folder, name) for name in texts]
        done = run(["systemd-analyze", "verify", "--man=no", *options, *paths])
        return _about(done.stderr.splitlines(), folder, texts)


def _about(lines: Iterable[str], folder: str, names: Iterable[str]) -> list[str]:
    """Return the ``lines`` that speak of one of the units, without the name of the temporary folder."""
    own = tuple(names)
    kept = []
    for line in lines:
        if folder in line or line.startswith(tuple(f"{name}:" for name in own)):
            kept.append(line.replace(f"{folder}/", "").strip())
    return kept


def journal_tail(unit: str, since: float, lines: int = 12, namespace: str = "") -> list[str]:
    """Return the last lines in the journal of ``unit`` from ``since`` (seconds since the epoch) on, oldest first."""
    where = ["--namespace", namespace] if namespace else []
    # journalctl(1): --lines= together with --since= shows the first records, unless --reverse is there too.
    output = ["--reverse", "--lines", str(lines), "--output", "json", "--output-fields", "MESSAGE", "--all", "--quiet"]
    done = run(["journalctl", *where, "--unit", unit, "--since", f"@{since:.6f}", "--no-pager", *output])
    return message_lines(reversed(done.stdout.splitlines()))[-lines:]


def message_lines(records: Iterable[str]) -> list[str]:
    """Return the lines, empty ones left out, of the messages in ``records``, which journalctl(1) wrote as JSON.

    A message that is no UTF-8 text is a list of bytes there; what cannot be read of it is replaced.
    """
    found: list[str] = []
    for record in records:
        message = json.loads(record).get("MESSAGE") or ""
        if isinstance(message, list):
            message = bytes(byte for byte in message if isinstance(byte, int)).decode("utf-8", "replace")
        found += [line for line in message.splitlines() if line.strip()]
    return found


def own_units() -> set[str]:
    """Return the names of the units in whose control groups this process runs (cgroups(7))."""
    with open("/proc/self/cgroup", encoding="utf-8") as stream:
        return {part for line in stream for part in line.strip().split("/") if part.endswith((".service", ".scope"))}
