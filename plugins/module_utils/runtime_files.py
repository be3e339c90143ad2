# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of the runtime as they are on a host, below one folder of ``PYTHONPATH=``."""

from __future__ import annotations

import inspect

from . import (
    runtime_canary,
    runtime_census,
    runtime_chains,
    runtime_hooks,
    runtime_joined,
    runtime_journal,
    runtime_logging,
    runtime_probe,
    runtime_start,
)

PACKAGE = "stability_runtime"
_MODULES = (
    *(runtime_canary, runtime_census, runtime_chains, runtime_hooks, runtime_joined, runtime_journal, runtime_logging),
    *(runtime_probe, runtime_start),
)
#: What Python runs at its start (https://docs.python.org/3/library/site.html). It is text, because it can be imported as what it
#: is at its place only. A service may start Pythons of all ages, so an old one must be able to read it.
_SITECUSTOMIZE = '''\
"""Starts the runtime of stability.baseline, and then the sitecustomize that would have been run without it."""

import os
import sys


def _go_on(path):
    from importlib.machinery import PathFinder
    from importlib.util import module_from_spec

    spec = PathFinder.find_spec("sitecustomize", path)
    if spec is not None and spec.loader is not None:
        sys.modules["sitecustomize"] = module_from_spec(spec)
        spec.loader.exec_module(sys.modules["sitecustomize"])


def _go_on_with_old_python(path):
    import imp

    try:
        found = imp.find_module("sitecustomize", path)
    except ImportError:
        return
    imp.load_module("sitecustomize", *found)


def _other_entries():
    folder = os.path.dirname(os.path.abspath(__file__))
    return [entry for entry in sys.path if entry != folder]


def _start():
    # What is below is found by the path of the package from now on, and nothing of the application is found here.
    path = _other_entries()
    try:
        from stability_runtime.runtime_start import start
    except ImportError as error:
        if sys.stderr is not None:
            sys.stderr.write("stability: the runtime has no effect: %s\\n" % error)
    else:
        start()
    sys.path[:] = path
    _go_on(path)


if sys.version_info >= (3, 8):
    _start()
elif sys.version_info >= (3, 5):
    _go_on(_other_entries())
else:
    _go_on_with_old_python(_other_entries())
'''


def files() -> dict[str, str]:
    """Return the text of each file by its path below the folder."""
    found = {f"{PACKAGE}/{module.__name__.rpartition('.')[2]}.py": inspect.getsource(module) for module in _MODULES}
    return {**found, f"{PACKAGE}/__init__.py": "", "sitecustomize.py": _SITECUSTOMIZE}
