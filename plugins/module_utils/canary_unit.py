# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A unit that runs one program under the settings of another unit, and then is gone."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from .adopt_unit_text import Sections, sections_in, words_in
from .audit_model import Unit
from .quoting import command_line
from .runtime_place import PROBE
from .unit_names import unescaped

#: Seconds that the program may take: it may import an application.
PATIENCE = 30
#: What is about the program of the service, its life, and the descriptors that it gets. All else decides who the process is, what it
#: sees and may do, and where its output goes (systemd.exec(5), systemd.resource-control(5)), and is kept.
_LEFT_OUT = re.compile(
    r"(?:Exec(?!Paths\Z|SearchPath\Z)|Restart(?!rict)|Watchdog|Timeout|RuntimeMax|RuntimeRandomized|FileDescriptorStore|StandardInput|"
    r"TTY|USBFunction|StartLimit|Delegate|Kill|SendSIG|OOM).*|"
    r"(?:Type|ExitType|RemainAfterExit|GuessMainPID|PIDFile|BusName|NotifyAccess|Sockets|NonBlocking|RootDirectoryStartOnly|"
    r"PermissionsStartOnly|SuccessExitStatus|FinalKillSignal|ReloadSignal|OpenFile|FailureAction|SuccessAction|RebootArgument|"
    r"PAMName|UtmpIdentifier|UtmpMode|User)\Z"
)
#: The folders that systemd makes for a unit, and removes with it: they stay those of the service, which this only knows of.
_FOLDERS = {
    "RuntimeDirectory": ("RUNTIME_DIRECTORY", "/run"),
    "StateDirectory": ("STATE_DIRECTORY", "/var/lib"),
    "CacheDirectory": ("CACHE_DIRECTORY", "/var/cache"),
    "LogsDirectory": ("LOGS_DIRECTORY", "/var/log"),
    "ConfigurationDirectory": ("CONFIGURATION_DIRECTORY", "/etc"),
}
_OF_FOLDERS = re.compile(rf"(?:{'|'.join(_FOLDERS)})(?:Mode|Preserve|Accounting|Quota)?\Z")
#: Of the specifiers (systemd.unit(5)) those that name the unit itself; the last two are the path of its file.
_OWN_NAME = re.compile(r"%([%nNpPiIjJfyY])")
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")
_NO_SPECIFIER = re.compile(r"(?<!%)(?:%%)*%(?![%aAbBCdDEfgGhHiIjJlLmMnNopPqsStTuUvVwWyY])")
_TO_FILES = ("file:", "append:", "truncate:")
_OUTPUTS = ("StandardOutput", "StandardError")
_YES = ("1", "yes", "y", "true", "t", "on")


def _names(unit: str, path: str) -> dict[str, str]:
    """Return what the specifiers stand for that name a unit; ``path`` is that of its file."""
    name = unit.rpartition(".")[0]
    prefix, at, instance = name.partition("@")
    last = prefix.rpartition("-")[2]
    return {
        **{"n": unit, "N": name, "p": prefix, "P": unescaped(prefix), "i": instance, "I": unescaped(instance)},
        **{"j": last, "J": unescaped(last), "f": f"/{unescaped(instance if at else prefix)}"},
        **{"y": path, "Y": path.rpartition("/")[0]},
    }


def with_name(value: str, unit: str, path: str = "") -> str:
    """Return the value of a directive with what stands for the name of its unit written out."""
    known = _names(unit, path)
    return _OWN_NAME.sub(lambda found: known[found[1]].replace("%", "%%") if found[1] in known else found[0], value)


def _service(unit: Unit) -> dict[str, list[str]]:
    sections: Sections = sections_in(file.text for file in unit.files)
    return sections.get("Service", {})


def obstacle(unit: Unit) -> str:
    """Return why no process in the place of a unit could show anything, or without harm; empty when one can."""
    own = _service(unit)
    last = {name: (lines or [""])[-1] for name, lines in own.items()}
    if any(last.get(name, "").startswith(_TO_FILES) for name in _OUTPUTS):
        return "its output goes to a file, which another process would write into (SB201)"
    if last.get("RootDirectory") or last.get("RootImage"):
        return "it has a root folder of its own"
    hidden = [
        word
        for name in ("TemporaryFileSystem", "InaccessiblePaths")
        for line in own.get(name, ())
        for word in line.split()
    ]
    if any(word.lstrip("-+").partition(":")[0].rstrip("/") in ("/run", "") for word in hidden):
        return "it does not see /run"
    families = [word for line in own.get("RestrictAddressFamilies", ()) for word in line.split()]
    if families and (families[0].startswith("~") == ("AF_UNIX" in " ".join(families))):
        return "it may not use AF_UNIX"
    return ""


def _folder_lines(own: Mapping[str, Sequence[str]], unit: Unit) -> Iterator[str]:
    """Yield what gives the process the folders of the service, as far as they are there."""
    for directive, (variable, base) in _FOLDERS.items():
        words = [word for line in own.get(directive, ()) for word in words_in(with_name(line, unit.name)) or []]
        paths = [f"{base}/{word.partition(':')[0]}" for word in words]
        if paths:
            yield f"Environment={variable}={':'.join(paths)}"
            yield f"ReadWritePaths={' '.join(f'-{path}' for path in paths)}"


def _is_readable(line: str) -> bool:
    """Whether systemd takes all of a line of ``Environment=``: assignments, and specifiers that it knows (systemd.unit(5))."""
    words = words_in(line)
    return words is not None and all(_ASSIGNMENT.match(word) and not _NO_SPECIFIER.search(word) for word in words)


def text_of(unit: Unit, argv: Sequence[str]) -> str:
    """Return a unit that runs ``argv`` once under the settings of ``unit``, as the user whom systemd runs that as now."""
    own, path = _service(unit), unit.properties.get("FragmentPath", "")
    is_dynamic = (own.get("DynamicUser") or [""])[-1].lower() in _YES
    user = (own.get("User") or [""])[-1] if is_dynamic else unit.properties.get("User", "")
    kept = {name: lines for name, lines in own.items() if not (_LEFT_OUT.match(name) or _OF_FOLDERS.match(name))}
    # systemd writes what it cannot read of such a line into the journal, and does without it.
    kept["Environment"] = list(filter(_is_readable, kept.get("Environment", ())))
    return "\n".join(
        [
            *("[Unit]", "CollectMode=inactive-or-failed", "[Service]", "Type=oneshot"),
            *(f"TimeoutStartSec={PATIENCE}", "TimeoutStopSec=5", "OOMScoreAdjust=1000"),
            f"ExecStart={command_line(argv)}",
            *([f"User={user}"] if user else []),
            *([] if is_dynamic else _folder_lines(own, unit)),
            *(f"{name}={with_name(value, unit.name, path)}" for name, lines in kept.items() for value in lines),
            # What listens there is the service.
            f"UnsetEnvironment={PROBE}",
            "",
        ]
    )
