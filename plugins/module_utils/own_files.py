# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What lies in an environment although no distribution recorded it: settings, scripts and modules of its users.

An environment that is made anew, or put back from what was kept, must not lose them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping

from .dist_info import Distribution, Records, is_compiled, listed_files
from .environment_marks import GENERATION_FILE, JOURNAL_FILE

#: What is made again by itself, or is ours.
_LEFT_OUT = {"__pycache__", GENERATION_FILE, JOURNAL_FILE}
#: What ``venv``, ``virtualenv`` and ``ensurepip`` make in ``bin``.
_PROGRAMS = re.compile(r"(?:python|pip|wheel|easy_install|activate|deactivate|Activate|pydoc)[\w.-]*\Z")
_INFO = re.compile(r".+\.(?:dist-info|egg-info)\Z|~.*\Z")


def recorded_paths(distributions: Mapping[str, list[Distribution]]) -> set[str]:
    """Return the paths of all files that distributions recorded."""
    records, found = Records(), set[str]()
    for distribution in (one for own in distributions.values() for one in own):
        folder = os.path.dirname(distribution.path)
        found.update(os.path.normpath(os.path.join(folder, name)) for name in listed_files(distribution, records))
    return found


def _walk(folder: str, recorded: set[str]) -> Iterator[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name in _LEFT_OUT or is_compiled(entry.name):
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(entry.path, recorded)
            elif entry.path not in recorded:
                yield entry


def own_files(virtualenv: str, distributions: Mapping[str, list[Distribution]]) -> dict[str, object]:
    """Return size and time, or where a link leads, of each file that no distribution recorded, by its name in the environment."""
    found: dict[str, object] = {}
    for entry in _walk(virtualenv, recorded_paths(distributions)):
        status = entry.stat(follow_symlinks=False)
        same = os.readlink(entry.path) if entry.is_symlink() else (status.st_size, status.st_mtime_ns)
        found[os.path.relpath(entry.path, virtualenv)] = same
    return found


def _importable(site: str, recorded: set[str]) -> Iterator[str]:
    """Yield what lies in a ``site-packages`` folder beside the distributions; what is inside of their packages is stray."""
    tops = {os.path.relpath(path, site).partition("/")[0] for path in recorded}
    for name in sorted(os.listdir(site)):
        if name not in tops and name not in _LEFT_OUT and not _INFO.match(name) and not is_compiled(name):
            yield name


def to_carry_over(
    virtualenv: str, sites: Iterable[str], new_site: str, distributions: Mapping[str, list[Distribution]]
) -> dict[str, str]:
    """Return what an environment that is made anew must get of the old one: old paths, and new ones below the new environment.

    ``new_site`` is its ``site-packages`` folder, relative to it. What ``venv`` and installers make again is left out.
    """
    recorded, found = recorded_paths(distributions), {}
    for site in sites:
        found.update({os.path.join(site, name): os.path.join(new_site, name) for name in _importable(site, recorded)})
    for folder in ("bin", "include", "share"):
        path = os.path.join(virtualenv, folder)
        for entry in _walk(path, recorded) if os.path.isdir(path) and not os.path.islink(path) else ():
            if folder != "bin" or not _PROGRAMS.match(entry.name):
                found[entry.path] = os.path.relpath(entry.path, virtualenv)
    return found
