# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The audit of environments: a service of the baseline has no finding, and one step away from it exactly one."""

from __future__ import annotations

import pytest
from pip_pinned_environments import put_wheels, wheel

ROOT = "/opt/held"
VENV, WHEELS, WORK = f"{ROOT}/venv", f"{ROOT}/wheels", f"{ROOT}/work"
SITE = f"{VENV}/lib/python3*/site-packages"
PROGRAM = "import one, time; time.sleep(10**6)"
PINS = ("one==1", "two==1")
#: A module of which an import shows less, or more, than its source.
PARTS = """\
import sys
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    import os as checked
if sys.platform == "win32":
    import winreg as registry
removed = 1
del removed
def connect():
    global connection
    connection = object()
"""
SERVICE = {
    "name": "held",
    "user": "held",
    "virtualenv": VENV,
    "exec_start": [f"{VENV}/bin/python", "-c", PROGRAM],
    "working_directory": WORK,
    "memory_max": "256M",
    "settle_sec": 0,
}


#: An application that does all of what the rules about source look at, in the way that they ask for.
SOUND = """\
import asyncio, collections, contextlib, functools, gc, logging, os, traceback, weakref
logging.basicConfig(level='INFO')
logging.info('arrives')
RECENT = collections.deque(maxlen=100)
FAILED = collections.deque(maxlen=100)
gc.collect()
gc.freeze()
@functools.lru_cache(maxsize=None)
def parsed(key):
    return key
class Held:
    def __init__(self):
        self.descriptor = os.open(os.devnull, os.O_RDONLY)
        self.finalizer = weakref.finalize(self, os.close, self.descriptor)
    @functools.cached_property
    def found(self):
        return parsed(self.descriptor)
    def close(self):
        self.finalizer()
def work(request):
    RECENT.append(request)
    try:
        with contextlib.closing(Held()) as one:
            return one.found
    except OSError as error:
        FAILED.append(traceback.format_exc())
async def main():
    tasks = set()
    task = asyncio.create_task(main())
    tasks.add(task)
    task.add_done_callback(tasks.discard)
"""


@pytest.fixture
def held(host, tmp_path):
    """The host with the service in an environment that holds its pins and nothing else."""
    for version, requires in (("1", ("two==1",)), ("2", ("two==2",))):
        wheel(tmp_path, "one", version, {"parts.py": PARTS}, requires)
        wheel(tmp_path, "two", version)
        wheel(tmp_path, "three", version)
    put_wheels(host, tmp_path, WHEELS)
    host.check(f"rm -rf {WORK} /etc/systemd/system/held.service.d; mkdir -p {WORK} /var/log/journal")
    host.check("systemctl restart systemd-journald && journalctl --flush")
    changed(host, PINS)
    deployed(host)
    host.check("systemctl restart held")
    return host


def changed(host, pins, **options):
    usual = {"virtualenv": VENV, "find_links": [WHEELS], "no_index": True, "installer": "pip", "reinstall": "always"}
    result = host.module("pip_pinned", {**usual, "pins": list(pins), **options})
    assert not result.get("failed"), result["msg"]


def deployed(host, **keys):
    result = host.module("systemd_units", {"services": [{**SERVICE, **keys}]})
    assert not result.get("failed"), result["msg"]


def findings(host, pins=PINS, **keys):
    environments = [{"virtualenv": VENV, "pins": list(pins)}]
    result = host.module("baseline_info", {"services": [{**SERVICE, **keys}], "environments": environments})
    assert not result.get("failed") and not result["changed"] and result["unseen"] == [], result
    return [one for one in result["findings"] if one["subject"] != "systemd-journald.service"]


def only(host, identifier, seen, pins=PINS, **keys):
    (found,) = findings(host, pins, **keys)
    assert (found["id"], found["seen"].startswith(seen)) == (identifier, True), found
    return found


def test_nothing_is_found_where_the_environment_is_as_pinned(held):
    assert findings(held) == []


def test_what_does_not_fit_together_is_found(held):
    changed(held, ["one==2", "two==1"], pip_check="ignore", imports="ignore")
    held.check("systemctl restart held")
    only(held, "SB401", "one 2 has requirement two==2, but you have two 1", ["one==2", "two==1"])


@pytest.mark.parametrize(
    ("command", "seen"),
    [
        (f"echo '# by hand' >> $(echo {SITE}/one.py)", "one 1: one.py"),
        (f"rm {SITE}/two.py", "two 1: two.py"),
    ],
)
def test_a_file_that_is_not_as_recorded_is_found_also_with_what_is_remembered(held, command, seen):
    assert findings(held) == []
    held.check(command)
    only(held, "SB402", seen)


def test_what_nothing_pins_is_found_with_the_pin_that_is_missing(held):
    found = only(held, "SB403", "two==1", ["one==1"])
    assert found["mend"] == {"stability_environments": [{"virtualenv": VENV, "pins": ["two==1"]}]}


@pytest.mark.parametrize(
    ("pins", "seen"),
    [
        (["one==2", "two==1"], "one is 1, and 2 is pinned"),
        ([*PINS, "three==1"], "three is not installed, and 1 is pinned"),
    ],
)
def test_another_version_than_the_pinned_one_is_found(held, pins, seen):
    only(held, "SB404", seen, pins)


def test_a_process_that_is_older_than_its_environment_is_found(held):
    held.check("sleep 2")
    changed(held, ["one==2", "two==2"])
    only(held, "SB405", "the process is ", ["one==2", "two==2"])
    held.check("systemctl restart held")
    assert findings(held, ["one==2", "two==2"]) == []
    # What is put back was installed before the process began.
    held.check("sleep 2")
    back = held.module("pip_pinned", {"virtualenv": VENV, "state": "rolled_back"})
    assert back["changed"], back
    only(held, "SB405", "the process is ")
    held.check("systemctl restart held")
    assert findings(held) == []


def test_what_the_source_uses_and_the_version_does_not_have_is_found(held):
    source = "import one\nprint(one.version)\nif hasattr(one, 'later'):\n    one.later()\nprint(one.elsewhere)\n"
    held.put(f"{WORK}/app.py", source)
    try:
        found = only(held, "SB406", f"{WORK}/app.py:5: one.elsewhere is not in one 1")
        assert found["location"] == {"file": f"{WORK}/app.py", "line": 5}
        assert findings(held, sources=[]) == []
    finally:
        held.check(f"rm {WORK}/app.py")


@pytest.mark.parametrize("name", ["checked", "removed"])
def test_what_is_there_for_type_checkers_alone_or_is_removed_again_is_found(held, name):
    source = "import parts\nparts.connection.send(parts.registry.HKEY_USERS)\n"
    held.put(f"{WORK}/app.py", f"{source}parts.{name}\n")
    try:
        only(held, "SB406", f"{WORK}/app.py:3: parts.{name} is not in one 1")
        held.put(f"{WORK}/app.py", f"{source}from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    parts.{name}\n")
        assert findings(held) == []
    finally:
        held.check(f"rm {WORK}/app.py")


@pytest.mark.parametrize(
    ("source", "rule", "line"),
    [
        ("import logging\nlogging.FileHandler('app.log')\n", "SB203", 2),
        ("import logging\nlogging.info('early')\nlogging.basicConfig(level='INFO')\n", "SB204", 3),
        ("import logging\nlogging.basicConfig()\nlogging.info('lost')\n", "SB204", 2),
        (
            "import logging\nlogger = logging.getLogger()\nlogger.setLevel('INFO')\nhandler = logging.StreamHandler()\n"
            "handler.setLevel('ERROR')\nlogger.addHandler(handler)\n",
            "SB205",
            4,
        ),
        ("import logging\nfrom loguru import logger\nlogger.info('one')\nlogging.warning('two')\n", "SB206", 3),
        ("def work():\n    print('[ERROR] it failed')\n", "SB209", 2),
        ("class Held:\n    def __del__(self):\n        self.count = 0\n", "SB301", 2),
        ("class Held:\n    def __del__(self):\n        self.file.close()\n", "SB302", 3),
        ("import gc\ngc.disable()\n", "SB303", 2),
        ("import functools\nclass Held:\n    @functools.lru_cache(None)\n    def find(self): pass\n", "SB308", 3),
        ("SEEN = []\ndef work(request):\n    SEEN.append(request)\n", "SB308", 3),
        ("import weakref\nclass Held:\n    def open(self):\n        weakref.finalize(self, print, self)\n", "SB308", 4),
        ("import asyncio\nasync def work():\n    asyncio.create_task(work())\n", "SB308", 3),
        (
            "SEEN = []\ndef work():\n    try: one()\n    except OSError as error:\n        SEEN.append(error)\n",
            "SB308",
            5,
        ),
    ],
)
def test_what_is_wrong_with_the_source_is_found(held, source, rule, line):
    held.put(f"{WORK}/app.py", source)
    try:
        # Again, with what is remembered of what it uses.
        held.check("sleep 2.1")
        for _time in range(2):
            found = only(held, rule, f"{WORK}/app.py:{line}: ")
            assert found["location"] == {"file": f"{WORK}/app.py", "line": line}
        assert findings(held, sources=[]) == []
        held.put(f"{WORK}/app.py", SOUND)
        assert findings(held) == []
    finally:
        held.check(f"rm {WORK}/app.py")


@pytest.fixture
def stranger(held):
    """A service of somebody else in the same environment, with an application that no list names."""
    folder = f"{ROOT}/strange"
    unit = f"[Service]\nUser=held\nWorkingDirectory={folder}\nExecStart={VENV}/bin/python -m app.main\n"
    held.check(["mkdir", "-p", f"{folder}/app"])
    held.put(f"{folder}/app/__init__.py", "")
    held.put(f"{folder}/app/main.py", "import time\nif 0: from .used import anything\ntime.sleep(10**6)\n")
    held.put("/etc/systemd/system/stranger.service", unit)
    held.check("systemctl daemon-reload && systemctl restart stranger")
    yield folder
    held.check("systemctl stop stranger && rm /etc/systemd/system/stranger.service && systemctl daemon-reload")
    held.check(["rm", "-r", folder])


def test_the_source_of_what_runs_is_looked_at_where_no_list_names_it(held, stranger):
    def used():
        result = held.module("baseline_info", {})
        assert result["unseen"] == []
        return [(one["subject"], one["seen"]) for one in result["findings"] if one["id"] == "SB406"]

    file, missing = f"{stranger}/app/used.py", "parts.removed is not in one 1"
    held.put(f"{stranger}/unused.py", "import parts\nparts.removed\n")
    held.put(file, "import parts\nparts.connection\n")
    held.check("sleep 2.1")
    # Again, with what is remembered.
    assert [used(), used()] == [[], []]
    held.put(file, "import parts\nparts.removed\n")
    assert [used(), used()] == [[(VENV, f"{file}:2: {missing}")]] * 2
    held.put(file, "import parts\n")
    assert used() == []


def test_what_an_interrupted_installation_left_is_found(held):
    held.check(f"mkdir $(echo {SITE})/~ne")
    only(held, "SB407", "~ne")


def test_imports_from_outside_are_found(held):
    hiding = {"environment": {"PYTHONPATH": "/opt/held/outside"}}
    held.check("mkdir -p /opt/held/outside && touch /opt/held/outside/one.py")
    deployed(held, **hiding)
    only(held, "SB408", "PYTHONPATH has /opt/held/outside (one)", **hiding)
    held.check("rm /opt/held/outside/one.py")
    assert findings(held, **hiding) == []
    deployed(held)
    held.check(f"touch {WORK}/two.py")
    only(held, "SB408", f"{WORK} hides installed modules: two")
    held.check(f"rm {WORK}/two.py")
    started = {"exec_start": [f"{VENV}/bin/python", "/opt/held/beside/main.py"]}
    held.put("/opt/held/beside/main.py", "import time\ntime.sleep(3600)\n")
    held.check("touch /opt/held/beside/statistics.py")
    deployed(held, **started)
    only(held, "SB408", "/opt/held/beside hides installed modules: statistics (of Python)", **started)
    held.check("rm -r /opt/held/beside")
    deployed(held)


def test_the_site_packages_of_the_user_are_found_where_python_looks_into_them(held):
    deployed(held, environment={"PYTHONNOUSERSITE": ""})
    version = held.check([f"{VENV}/bin/python", "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]).strip()
    home = held.check("getent passwd held | cut -d: -f6").strip()
    site = f"{home}/.local/lib/python{version}/site-packages"
    held.check(["mkdir", "-p", site])
    try:
        assert findings(held) == []
        held.check(f"sed -i 's/system-site-packages = false/system-site-packages = true/' {VENV}/pyvenv.cfg")
        only(held, "SB408", f"{site} is searched as well")
    finally:
        held.check(f"rm -r {home}/.local; sed -i 's/site-packages = true/site-packages = false/' {VENV}/pyvenv.cfg")
        deployed(held)


def test_a_service_of_somebody_else_is_judged_with_the_environment_that_it_runs_in(held):
    unit = f"[Service]\nUser=held\nExecStart={VENV}/bin/python -c '{PROGRAM}'\n"
    held.put("/etc/systemd/system/stranger.service", unit)
    held.check("systemctl daemon-reload && systemctl start stranger")
    try:
        held.check(f"echo '# by hand' >> $(echo {SITE}/one.py)")
        result = held.module("baseline_info", {})
        assert {one["virtualenv"] for one in result["services"] if one["unit"] == "stranger.service"} == {VENV}
        # Other test files leave environments of their own on the host.
        assert [one["subject"] for one in result["findings"] if one["id"] == "SB402"].count(VENV) == 1
    finally:
        held.check("systemctl stop stranger && rm /etc/systemd/system/stranger.service && systemctl daemon-reload")


def test_one_file_that_may_not_be_read_costs_no_more_than_its_distribution(held):
    held.check("echo x > /srv/closed; chmod 600 /srv/closed")
    held.check(
        f"echo '../../../../../../../srv/closed,sha256=abc,2' >> $(echo {SITE})/one-1.dist-info/RECORD; chown -R held {VENV}"
    )
    options = {"services": [SERVICE], "environments": [{"virtualenv": VENV, "pins": list(PINS)}]}
    result = held.module("baseline_info", options)
    assert not result.get("failed"), result["msg"]
    (unseen,) = result["unseen"]
    assert unseen.startswith("the files of one in ") and unseen.endswith("/srv/closed: Permission denied)")
    held.check(f"chown root:root {SITE}/two-1.dist-info/METADATA; chmod 600 {SITE}/two-1.dist-info/METADATA")
    result = held.module("baseline_info", options)
    assert not result.get("failed") and [one["unit"] for one in result["services"]] == ["held.service"]
    (unseen,) = result["unseen"]
    assert unseen.startswith(f"{VENV} (") and unseen.endswith("METADATA: Permission denied)")
    held.check(f"chown -R root:root {VENV}; rm /srv/closed")


def test_an_environment_that_sees_the_system_has_what_that_has(host):
    site = "/opt/seeing/venv/lib/python3*/site-packages"
    host.check("/usr/bin/python3 -m venv --system-site-packages --without-pip /opt/seeing/venv")
    metadata = "Metadata-Version: 2.1\\nName: {}\\nVersion: {}\\n"
    needs = f"{metadata.format('needs', '1.0')}Requires-Dist: sysdep>=2\\n"
    host.check(
        f"mkdir -p $(echo {site})/needs-1.0.dist-info; printf '{needs}' > $(echo {site})/needs-1.0.dist-info/METADATA"
    )
    options = {"services": [], "environments": [{"virtualenv": "/opt/seeing/venv", "pins": ["needs==1.0"]}]}
    for version, seen in (("1", "needs 1.0 has requirement sysdep>=2, but you have sysdep 1."), ("3", "")):
        info = f"/usr/lib/python3/dist-packages/sysdep-{version}.dist-info"
        host.check(f"mkdir -p {info}; printf '{metadata.format('sysdep', version)}' > {info}/METADATA")
        result = host.module("baseline_info", options)
        assert not result.get("failed"), result["msg"]
        conflicts = [one["seen"] for one in result["findings"] if one["id"] == "SB401"]
        assert conflicts == ([seen] if seen else [])
        host.check(f"rm -r {info}")
