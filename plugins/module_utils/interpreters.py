# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an interpreter says about itself: the values of environment markers, where its distributions are."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass

from .commands import EnvironmentFailure, User, run

#: Written like ``packaging.markers.default_environment``; run with ``-I`` (isolated) and ``-B`` (writes no byte code).
_QUESTION = """
import json, os, platform, sys, sysconfig
version = sys.implementation.version
full = "%d.%d.%d" % version[:3]
if version.releaselevel != "final":
    full += version.releaselevel[0] + str(version.serial)
paths = sysconfig.get_paths()
managed = os.path.join(paths["stdlib"], "EXTERNALLY-MANAGED")
searched = [path for path in sys.path if os.path.basename(path) in ("site-packages", "dist-packages")]
print("\\n" + "stability-answer:" + json.dumps({"prefix": sys.prefix, "base": sys.base_prefix, "sites": [paths["purelib"], paths["platlib"]],
    "searched": searched, "managed": managed if os.path.isfile(managed) else "", "markers": {
    "implementation_name": sys.implementation.name, "implementation_version": full, "os_name": os.name,
    "platform_machine": platform.machine(), "platform_python_implementation": platform.python_implementation(),
    "platform_release": platform.release(), "platform_system": platform.system(), "platform_version": platform.version(),
    "python_full_version": platform.python_version(), "python_version": "%d.%d" % sys.version_info[:2],
    "sys_platform": sys.platform}}))
"""
#: What the answer begins with: what runs at the start of an interpreter (``.pth``, ``sitecustomize``) may print, too.
_ANSWER = "stability-answer:"
#: Seconds after which one hangs, in what runs at its start for one.
_PATIENCE = 60.0


@dataclass(frozen=True)
class Interpreter:
    """An interpreter: its path, the values of environment markers, its existing ``site-packages`` folders.

    ``searched`` are the folders in which it looks for distributions, in that order, also those of the system; ``managed`` is the
    file by which a system says that it alone changes them (PEP 668), empty when there is none.
    """

    path: str
    markers: Mapping[str, str]
    sites: tuple[str, ...]
    virtual: bool
    searched: tuple[str, ...] = ()
    managed: str = ""


def ask_interpreter(path: str, user: User) -> Interpreter:
    """Run the interpreter at ``path`` as ``user`` and return what it says; nothing is written.

    Raises :class:`EnvironmentFailure` when it does not run or does not answer.
    """
    output = run([path, "-I", "-B", "-c", _QUESTION], user, timeout=_PATIENCE)
    try:
        answer = json.loads(output.stdout.rpartition(_ANSWER)[2].partition("\n")[0])
    except ValueError:
        lines = (output.stderr or output.stdout).strip().splitlines() or [f"exit status {output.status}"]
        raise EnvironmentFailure(f"The interpreter {path} does not run: {lines[-1]}") from None
    sites = dict.fromkeys(os.path.realpath(site) for site in answer["sites"])
    return Interpreter(
        path=path,
        markers=answer["markers"],
        sites=tuple(site for site in sites if os.path.isdir(site)),
        virtual=answer["prefix"] != answer["base"],
        searched=tuple(dict.fromkeys(os.path.realpath(folder) for folder in answer["searched"])),
        managed=answer["managed"],
    )


def runs_without_site(path: str, user: User, virtualenv: str) -> bool:
    """Whether the interpreter runs when nothing of the environment is run at its start, and the environment is of its version."""
    try:
        question = "import sys; print('python%d.%d' % sys.version_info[:2])"
        output = run([path, "-I", "-S", "-B", "-c", question], user, timeout=_PATIENCE)
    except EnvironmentFailure:
        return False
    folder = os.path.join(virtualenv, "lib", output.stdout.strip() or "python", "site-packages")
    return output.status == 0 and os.path.isdir(folder)
