# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What systemd-journald reads when it starts: its configuration file and all drop-ins, as journald.conf(5) orders them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from .manifest import digest_text

#: Where configuration lies; what is in an earlier folder takes the place of a file of the same name in a later one.
FOLDERS = ("/etc/systemd", "/run/systemd", "/usr/local/lib/systemd", "/usr/lib/systemd")
OWN_NAME = "50-stability.conf"
_SECTION = "[Journal]"


def base_name(namespace: str) -> str:
    """Return the name of the configuration file of a namespace; the default one's is empty."""
    return f"journald@{namespace}.conf" if namespace else "journald.conf"


def own_folder(namespace: str) -> str:
    """Return the folder that our drop-in for a namespace is in."""
    return f"{FOLDERS[0]}/{base_name(namespace)}.d"


def own_path(namespace: str) -> str:
    """Return the path of our drop-in for a namespace."""
    return f"{own_folder(namespace)}/{OWN_NAME}"


def unit_of(namespace: str) -> str:
    """Return the unit that keeps the journal of a namespace."""
    return f"systemd-journald@{namespace}.service" if namespace else "systemd-journald.service"


@dataclass(frozen=True)
class Override:
    """A directive that a file sets after ours."""

    path: str
    directive: str
    value: str


@dataclass(frozen=True)
class Configuration:
    """The configuration of one journald: ``files`` holds path and text of each file in the order in which it reads them.

    ``newest`` is when the newest of them, or of their folders, was last changed (seconds since the epoch).
    """

    files: tuple[tuple[str, str], ...]
    newest: float = 0.0

    @property
    def assignments(self) -> Mapping[str, str]:
        """What is in effect, by directive; an empty value stands for journald's own default."""
        return {name: value for _path, text in self.files for name, value in _assignments(text)}

    @property
    def origins(self) -> Mapping[str, str]:
        """The path of the file that has set what is in effect, by directive."""
        return {name: path for path, text in self.files for name, _value in _assignments(text)}

    @property
    def digest(self) -> str:
        """A digest of what is in effect: comments and the order of files do not count."""
        return digest_text(*(f"{name}={value}" for name, value in sorted(self.assignments.items()) if value))

    def with_own(self, namespace: str, text: str | None) -> Configuration:
        """Return the configuration with ``text`` as our drop-in, or without it for ``None``."""
        path = own_path(namespace)
        main = self.files[:1] if self.files and not _is_drop_in(self.files[0][0]) else ()
        # A file of our name in another folder does not count, whether ours is there or not: nobody else uses it.
        drop_ins = [file for file in self.files[len(main) :] if os.path.basename(file[0]) != OWN_NAME]
        drop_ins += [(path, text)] if text is not None else []
        drop_ins.sort(key=lambda file: os.path.basename(file[0]))
        return replace(self, files=(*main, *drop_ins))

    def overrides(self, namespace: str, wanted: Mapping[str, str]) -> list[Override]:
        """Return what files that sort after our drop-in set otherwise than ``wanted`` (by directive)."""
        found: dict[str, Override] = {}
        for path, text in self.files:
            if _is_drop_in(path) and os.path.basename(path) > OWN_NAME:
                found.update({name: Override(path, name, value) for name, value in _assignments(text)})
        return [each for name, each in found.items() if name in wanted and each.value != wanted[name]]


def _is_drop_in(path: str) -> bool:
    return os.path.dirname(path).endswith(".d")


def _assignments(text: str) -> Iterable[tuple[str, str]]:
    """Yield directive and value of each line that journald would read (systemd.syntax(7))."""
    section = ""
    for line in _joined(text):
        if line.startswith("["):
            section = line
        elif section == _SECTION and "=" in line:
            name, _equals, value = line.partition("=")
            yield name.strip(), value.strip()


def _joined(text: str) -> Iterable[str]:
    """Yield the lines without comments; one that ends with a backslash goes on in the next one."""
    whole = ""
    for line in text.splitlines():
        if line.lstrip().startswith(("#", ";")):
            continue
        whole += line.strip()
        if whole.endswith("\\"):
            whole = f"{whole[:-1]} "
            continue
        yield whole
        whole = ""
    yield whole


def read_configuration(namespace: str) -> Configuration:
    """Return what the journald of ``namespace`` would read if it started now."""
    name = base_name(namespace)
    chosen: dict[str, str] = {}
    times = []
    for folder in FOLDERS:
        drop_ins = f"{folder}/{name}.d"
        names = [entry for entry in _listed(drop_ins) if entry.endswith(".conf") and not entry.startswith(".")]
        times += _changed(drop_ins)
        for entry in names:
            times += _changed(f"{drop_ins}/{entry}")
            chosen.setdefault(entry, f"{drop_ins}/{entry}")
    main = next((path for path in (f"{folder}/{name}" for folder in FOLDERS) if os.path.exists(path)), "")
    times += _changed(main) if main else []
    paths = [*([main] if main else []), *(path for _entry, path in sorted(chosen.items()))]
    return Configuration(tuple((path, read_text(path) or "") for path in paths), max(times, default=0.0))


def _listed(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []


def _changed(path: str) -> list[float]:
    """Return when a path was last changed; for a link, when it was and when what it leads to was."""
    times = []
    for follow in (False, True):
        try:
            times.append(os.stat(path, follow_symlinks=follow).st_ctime)
        except OSError:
            continue
    return times


def read_text(path: str) -> str | None:
    """Return the text of a file; ``None`` when there is none."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as stream:
            return stream.read()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None


def own_namespaces(header: str) -> list[str]:
    """Return the namespaces with a drop-in of ours, which begins with ``header``, or with an empty folder for one.

    A folder is empty when a run was killed after it had removed a drop-in and before journald took that over.
    """
    begin, end = "journald@", ".conf.d"
    found = []
    for entry in _listed(FOLDERS[0]):
        namespace = entry[len(begin) : -len(end)]
        if entry.startswith(begin) and entry.endswith(end) and namespace:
            text = read_text(own_path(namespace))
            if (text is not None and text.startswith(header)) or (text is None and not others_in(namespace)):
                found.append(namespace)
    return sorted(found)


def others_in(namespace: str) -> list[str]:
    """Return what else than our drop-in, and what a killed run left of it, is in the folder of a namespace."""
    own = (OWN_NAME, f".{OWN_NAME}.stability-staged")
    return [entry for entry in _listed(own_folder(namespace)) if entry not in own]
