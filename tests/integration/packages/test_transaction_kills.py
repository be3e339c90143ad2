# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module pip_pinned killed with SIGKILL anywhere: the environment is whole, the old one or the new one, each time."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import time
from collections import Counter

import pytest
from ansible_collections.stability.baseline.plugins.module_utils.dist_info import (
    installed_distributions,
    verify_files,
)
from pip_pinned_environments import download, make_environment, module, process, site_of, work_folder

from proofs import SEED, proof

OLD = {
    **{"django": "4.2.16", "asgiref": "3.8.1", "sqlparse": "0.5.1"},
    **{"sqlalchemy": "2.0.35", "typing-extensions": "4.12.2", "greenlet": "3.1.1"},
    **{"flask": "3.0.2", "werkzeug": "3.0.4", "jinja2": "3.1.4", "markupsafe": "2.1.5"},
    **{"itsdangerous": "2.2.0", "click": "8.1.7", "blinker": "1.8.2"},
    "numpy": "2.0.1",
}
NEW = {**OLD, "django": "4.2.17", "sqlalchemy": "2.0.36", "flask": "3.0.3", "numpy": "2.0.2"}
CHANGED = [name for name in OLD if OLD[name] != NEW[name]]
IMPORTS = "import django.core.handlers.wsgi, django.db.models, flask, numpy.linalg, sqlalchemy.orm, pip"
#: The steps of a change, in their order; "before" is everything that only reads.
PHASES = ["before", "_stage", "_heal", "_install", "_relocate", "_compile", "_check", "_seal", "_switch", "_tidy"]
#: Where lines are counted: what stages, switches and keeps environments.
TRACED = (
    *(
        "environment_change",
        "environment_generations",
        "environment_outcome",
        "environment_staging",
        "environment_switch",
    ),
    "files",
)
#: Runs before the module: notes each phase, and kills itself before a given line of one, with everything it started.
TRACE = """
import json, os, signal, sys
from ansible_collections.stability.baseline.plugins.module_utils import environment_change as change
settings = json.loads(os.environ["STABILITY_KILLS"])
phase, lines = "before", 0
traced = tuple(f"module_utils/{name}.py" for name in settings["traced"])
def note(text):
    with open(settings["notes"], "a") as stream:
        stream.write(text + "\\n")
def line(frame, event, argument):
    global lines
    if event == "line":
        lines += 1
        if [phase, lines] == settings["at"]:
            os.killpg(os.getpgid(0), signal.SIGKILL)
    return line
def call(frame, event, argument):
    return line if frame.f_code.co_filename.endswith(traced) else None
def noted(name):
    real = getattr(change.Change, name)
    def run(self):
        global phase, lines
        note(f"lines {phase} {lines}")
        phase, lines = name, 0
        note(f"phase {phase}")
        real(self)
        note(f"lines {phase} {lines}")
    setattr(change.Change, name, run)
for name in settings["phases"][1:]:
    noted(name)
note("phase before")
if settings["at"] or settings["count"]:
    sys.settrace(call)
"""
#: A wrong build of the module: it installs in place, and has nothing to switch.
IN_PLACE = """
from ansible_collections.stability.baseline.plugins.module_utils.environment_place import Place
Place.staged = property(lambda self: self.target)
change.make_staged = lambda *arguments: None
change.copy_environment = lambda *arguments: None
change.Change._switch = lambda self: setattr(self.outcome, "changed", True)
"""


@pytest.fixture(scope="session")
def wheels(wheelhouse, bare_template):
    return download(wheelhouse.parent, bare_template / "bin" / "python", OLD, NEW)


@pytest.fixture(scope="session")
def old_template(templates, bare_template, wheels):
    return make_environment(templates / "old", bare_template, wheels, OLD)


@pytest.fixture
def env(old_template, place):
    shutil.copytree(old_template, place / "venv", symlinks=True)
    return place / "venv"


class Killer:
    """Starts the module on one environment, each time with other pins, and kills it."""

    def __init__(self, env, wheels, notes, build=""):
        self.env = env
        self.wheels = str(wheels)
        self.notes = notes
        self.build = build
        self.random = random.Random(SEED)
        self.hit = Counter()

    def options(self, pins, keep):
        """What a run is given; `always`, since a kept environment would be put back without an installer."""
        pinned = [f"{name}=={version}" for name, version in pins.items()]
        shared = {"find_links": [self.wheels], "no_index": True, "reinstall": "always", "keep_generations": keep}
        return {"pins": pinned, **shared}

    def start(self, options, at=None, count=False):
        self.notes.unlink(missing_ok=True)
        settings = {"at": at, "count": count, "notes": str(self.notes), "traced": TRACED, "phases": PHASES}
        variables = {"STABILITY_KILLS": json.dumps(settings)}
        return process(self.env, variables=variables, prelude=TRACE + self.build, **options)

    def noted(self, kind):
        """Return what the last run noted of a kind, in order."""
        found = [line.split() for line in self.notes.read_text().splitlines()] if self.notes.exists() else []
        return [words[1:] for words in found if words[0] == kind]

    def measure(self, options, count):
        """Let a run come to its end; return its seconds, or where that slows it down the lines of each phase."""
        begun = time.monotonic()
        result = json.loads(self.start(options, count=count).communicate()[0])
        assert not result.get("failed"), result["msg"]
        return {phase: int(lines) for phase, lines in self.noted("lines")} if count else time.monotonic() - begun

    def kill_at_line(self, options, phase, lines):
        """Kill the run before a line of a phase, drawn from as many as there were when they were counted."""
        while not self._ended(self.start(options, at=[phase, self.random.randint(1, max(1, lines))])):
            lines //= 2

    def kill_after(self, options, seconds):
        """Kill the run at a moment."""
        started = self.start(options)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and started.poll() is None:
            time.sleep(0.001)
        if started.poll() is None:
            os.killpg(started.pid, signal.SIGKILL)
        self._ended(started)

    def _ended(self, started):
        """Wait for the end of a run; note the phase that it was in, and return whether it was killed."""
        started.communicate()
        killed = started.returncode == -signal.SIGKILL
        phases = self.noted("phase")
        self.hit[phases[-1][0] if killed and phases else "before" if killed else "not killed"] += 1
        return killed


def check_whole(env, *allowed, imports=IMPORTS):
    """Check that an environment is one of the allowed ones (versions by name), to the last file, and what it imports."""
    site = site_of(env)
    assert not [name for name in os.listdir(site) if name.startswith("~")]
    found = {name: one for name, ones in installed_distributions([str(site)]).items() for one in ones}
    versions = {name: one.version for name, one in found.items()}
    assert [wanted for wanted in allowed if versions.items() >= wanted.items()], versions
    faults = {name: verify_files(one) for name, one in found.items()}
    assert not {name: fault for name, fault in faults.items() if fault.changed or fault.missing}
    done = subprocess.run(
        [env / "bin" / "python", "-I", "-B", "-c", imports], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def flipped(installed, name):
    """Return the versions with one distribution at its other version."""
    return {**installed, name: NEW[name] if installed[name] == OLD[name] else OLD[name]}


def test_killed_anywhere_the_environment_is_the_old_one_or_the_new_one(env, wheels, tmp_path):
    killer = Killer(env, wheels, tmp_path / "notes")
    budget = {"sample": 900.0, "full": 14000.0}
    with proof("transaction kills", {"sample": 20, "full": 300}, budget=budget) as cases:
        lines = killer.measure(killer.options({name: NEW[name] for name in CHANGED}, 1), count=True)
        installed = flipped(NEW, "flask")
        seconds = killer.measure(killer.options({"flask": installed["flask"]}, 0), count=False)
        for case in range(cases):
            name = CHANGED[case % len(CHANGED)]
            wanted = flipped(installed, name)
            options = killer.options({name: wanted[name]}, keep=killer.random.randint(0, 2))
            if case % 2:
                killer.kill_after(options, killer.random.uniform(0.1, 1.0) * seconds)
            else:
                phase = PHASES[case // 2 % len(PHASES)]
                killer.kill_at_line(options, phase, lines.get(phase, 1))
            check_whole(env, installed, wanted)
            # Each file is compared right afterwards, and the next kill's check imports from them.
            finished = module(env, **{**options, "reinstall": "drifted", "imports": "ignore", "references": "ignore"})
            assert not finished.get("failed"), finished["msg"]
            check_whole(env, wanted, imports="")
            left = set(os.listdir(work_folder(env))) if work_folder(env).exists() else set()
            assert not {one for one in left if not one.startswith("generation-") and one != "sizes.json"}
            installed = wanted
        print("phases in which it was killed:", dict(killer.hit))
    assert {*PHASES} <= set(killer.hit)


def test_a_build_that_installs_in_place_fails_the_same_check(env, wheels, tmp_path):
    killer = Killer(env, wheels, tmp_path / "notes", IN_PLACE)
    options = killer.options({name: NEW[name] for name in CHANGED}, 0)
    started = killer.start(options)
    deadline = time.monotonic() + 120
    while not list(site_of(env).glob("~*")):
        assert started.poll() is None and time.monotonic() < deadline, "the moment was missed"
        time.sleep(0.002)
    os.killpg(started.pid, signal.SIGKILL)
    started.communicate()
    with pytest.raises(AssertionError):
        check_whole(env, OLD, NEW)
