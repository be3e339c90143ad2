# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The keys ``logging`` and ``probe``: what they put on a host, what a process then is and does, and that all of it goes again."""

from __future__ import annotations

import json

import pytest
from ansible_collections.stability.baseline.plugins.module_utils.runtime_files import files
from ansible_collections.stability.baseline.plugins.module_utils.runtime_place import FOLDER, ROOT

from units import applied, apply, pids, properties, wait_for

PROGRAM = "/srv/spoken.py"
#: Says what its environment is, then logs at each level when it is told to by a signal.
TEXT = """
import json, logging, os, signal, sys, time
logging.getLogger("app").info("up %s", json.dumps({name: os.environ.get(name) for name in
    ("PYTHONPATH", "RUNTIME_DIRECTORY", "STABILITY_PROBE", "STABILITY_IDENTIFIER", "HOME", "USER")}))
logging.getLogger("app").warning("warned")
logging.getLogger("app.part").debug("in detail")
logging.critical("end")
while True:
    time.sleep(60)
"""
STARTUP = {"logging": {"loggers": {"app.part": "DEBUG"}}}


def spoken(name, **keys):
    return {"name": name, "user": "spoken", "exec_start": ["/usr/bin/python3", PROGRAM], "settle_sec": 0, **keys}


@pytest.fixture
def host_with(host):
    """Return the host, and after the test take away the services that it has handed over by ``names``."""
    host.put(PROGRAM, TEXT)
    host.names = []
    yield host
    apply(host, [{"name": name, "state": "absent"} for name in host.names])


def deployed(host, *services):
    host.names = list(dict.fromkeys([*host.names, *(one["name"] for one in services)]))
    return applied(host, list(services))


def records(host, unit, namespace=""):
    """Return (priority, message) of the records of the unit's present process, and what the first one says of its environment."""
    own = ["--namespace", namespace] if namespace else []
    (invocation,) = properties(host, unit, "InvocationID")

    def found():
        host.check(["journalctl", *own, "--sync"])
        shown = host.check(["journalctl", *own, "--quiet", "--output=json", f"_SYSTEMD_INVOCATION_ID={invocation}"])
        return [json.loads(line) for line in shown.splitlines()]

    wait_for(lambda: any(one["MESSAGE"].endswith("root: end") for one in found()))
    told = [(int(one["PRIORITY"]), one["MESSAGE"], one["SYSLOG_IDENTIFIER"]) for one in found()]
    environment = next(
        (json.loads(text.partition("up ")[2]) for _priority, text, _name in told if "app: up" in text), {}
    )
    return [one for one in told if "app: up" not in one[1] and "root: end" not in one[1]], environment


def test_at_start_up_records_have_their_priority_and_the_name_of_the_service(host_with):
    result = deployed(host_with, spoken("spoken-a", **STARTUP, environment={"PYTHONPATH": "/srv/more"}))
    assert f"create {FOLDER}/sitecustomize.py" in result["actions"]
    # A service may not write there: what is not compiled costs it 10 ms at each start.
    assert len(
        host_with.check(f"ls {FOLDER}/__pycache__ {FOLDER}/stability_runtime/__pycache__ | grep 'pyc$'").split()
    ) == len(files())
    found, environment = records(host_with, "spoken-a")
    assert found == [(4, "WARNING app: warned", "spoken-a"), (7, "DEBUG app.part: in detail", "spoken-a")]
    assert environment["PYTHONPATH"] == f"{FOLDER}:/srv/more"
    assert environment["STABILITY_PROBE"] is environment["RUNTIME_DIRECTORY"] is None


@pytest.mark.parametrize(
    ("keys", "namespace"),
    [
        ({"log_namespace": "spoken"}, "spoken"),
        ({"hardening": "strict", "syslog_identifier": "spoken 100%"}, ""),
        ({"hardening": "none", "user": "root"}, ""),
    ],
)
def test_it_is_the_same_in_a_namespace_under_hardening_and_for_root(host_with, keys, namespace):
    deployed(host_with, spoken("spoken-b", **STARTUP, probe=True, **keys))
    found, environment = records(host_with, "spoken-b", namespace)
    name = keys.get("syslog_identifier", "spoken-b")
    assert found[:2] == [(4, "WARNING app: warned", name), (7, "DEBUG app.part: in detail", name)]
    assert environment["STABILITY_PROBE"] == "/run/stability/spoken-b"
    socket = f"{environment['STABILITY_PROBE']}/{pids(host_with, 'spoken-b')['spoken-b']}"
    assert host_with.check(["stat", "-c", "%A %U", socket]).split() == ["srw-------", keys.get("user", "spoken")]


@pytest.mark.parametrize(
    ("keys", "folders", "mode"),
    [
        ({}, None, "755"),
        ({"runtime_directory": ["spoken", "spoken/deep"]}, "/run/spoken:/run/spoken/deep", "755"),
        (
            {"runtime_directory": "spoken", "directives": {"Service": {"RuntimeDirectoryMode": "0700"}}},
            "/run/spoken",
            "700",
        ),
    ],
)
def test_the_probe_has_a_folder_beside_those_of_the_service(host_with, keys, folders, mode):
    deployed(host_with, spoken("spoken-c", **STARTUP, probe=True, **keys))
    _found, environment = records(host_with, "spoken-c")
    assert environment["RUNTIME_DIRECTORY"] == folders
    assert host_with.check(["stat", "-c", "%a %U", "/run/stability/spoken-c"]).split() == [mode, "spoken"]
    assert host_with.check(["stat", "-c", "%a %U", "/run/stability"]).split() == ["755", "root"]
    for folder in (folders or "").split(":") if folders else ():
        host_with.check(["test", "-d", folder])
    deployed(host_with, {"name": "spoken-c", "state": "absent"})
    assert host_with.run(["test", "-e", "/run/stability/spoken-c"]).code == 1


def test_instances_have_folders_and_names_of_their_own_whatever_is_in_these(host_with):
    names = ["a", "b.c", "d:e"]
    deployed(host_with, spoken("spoken:f@", instances=names, **STARTUP, probe=True, runtime_directory="spoken/%i"))
    for name in names:
        unit = f"spoken:f@{name}.service"
        found, environment = records(host_with, unit)
        assert found[0] == (4, "WARNING app: warned", f"spoken:f@{name}")
        assert environment["STABILITY_PROBE"] == f"/run/stability/spoken:f@{name}"
        assert environment["RUNTIME_DIRECTORY"] == f"/run/spoken/{name}"
        host_with.check(["test", "-S", f"{environment['STABILITY_PROBE']}/{pids(host_with, unit)[unit]}"])


FILED = f"{ROOT}/logging/spoken-g.json"
READS = f"import json, logging.config\nlogging.config.dictConfig(json.load(open('{FILED}')))\n{TEXT}"


def test_the_file_is_there_before_the_start_and_a_change_of_it_restarts(host_with):
    host_with.put("/srv/reads.py", READS)
    service = spoken("spoken-g", exec_start=["/usr/bin/python3", "/srv/reads.py"])
    result = deployed(host_with, {**service, "logging": {"apply": "file"}})
    assert f"create {FILED}" in result["actions"]
    found, _environment = records(host_with, "spoken-g")
    assert found == [(6, "WARNING app: warned", "spoken-g")]
    assert host_with.check(["stat", "-c", "%a %U", FILED, f"{ROOT}/logging"]).split() == ["644", "root", "755", "root"]
    changed = {**service, "logging": {"apply": "file", "loggers": {"app.part": "DEBUG"}}}
    result = deployed(host_with, changed)
    assert result["actions"] == [f"replace {FILED}", f"restart spoken-g.service: {FILED}"]
    assert (6, "DEBUG app.part: in detail", "spoken-g") in records(host_with, "spoken-g")[0]
    host_with.put(FILED, "{}")
    assert deployed(host_with, changed)["restarted"] == ["spoken-g.service"]
    assert f"remove {FILED}" in deployed(host_with, spoken("spoken-g"))["actions"]
    assert host_with.run(["test", "-e", f"{ROOT}/logging"]).code == 1


def test_a_file_with_which_the_service_does_not_come_up_goes_back(host_with):
    host_with.put(
        "/srv/reads.py", READS.replace("logging.critical(", "assert logging.root.level < 50\nlogging.critical(")
    )
    service = spoken("spoken-g", exec_start=["/usr/bin/python3", "/srv/reads.py"], settle_sec="2s")
    deployed(host_with, {**service, "logging": {"apply": "file"}})
    before = host_with.read(FILED)
    failed = apply(host_with, [{**service, "logging": {"apply": "file", "level": "CRITICAL"}}])
    assert "The file of its logging from before has been put back; the unit is active under it." in failed["msg"]
    assert host_with.read(FILED) == before
    deployed(host_with, {**service, "logging": {"apply": "file"}})


def test_another_version_of_the_runtime_restarts_exactly_who_has_it(host_with):
    services = [spoken("spoken-h", **STARTUP), spoken("spoken-i", logging={"apply": "file"}), spoken("spoken-j")]
    deployed(host_with, *services)
    before = pids(host_with, "spoken-h", "spoken-i", "spoken-j")
    old = {**files(), "stability_runtime/runtime_hooks.py": files()["stability_runtime/runtime_hooks.py"] + "\n"}
    result = host_with.module(
        "systemd_units", {"services": services, "runtime": {**old, "stability_runtime/gone.py": ""}}
    )
    assert result["restarted"] == ["spoken-h.service"]
    result = deployed(host_with, *services)
    assert result["actions"] == [
        f"replace {FOLDER}/stability_runtime/runtime_hooks.py",
        f"restart spoken-h.service: {FOLDER}",
        f"remove {FOLDER}/stability_runtime/gone.py",
    ]
    after = pids(host_with, "spoken-h", "spoken-i", "spoken-j")
    assert [name for name in after if after[name] != before[name]] == ["spoken-h"]


def test_the_runtime_stays_as_long_as_a_service_has_it_and_goes_with_the_last(host_with):
    one, other = spoken("spoken-k", **STARTUP), spoken("spoken-l", probe=True)
    deployed(host_with, one, other)
    # Who is no longer listed keeps what it has.
    result = apply(host_with, [spoken("spoken-k")])
    assert not [line for line in result["actions"] if line.startswith("remove")]
    host_with.check(["test", "-e", f"{FOLDER}/sitecustomize.py"])
    result = deployed(host_with, spoken("spoken-k"), {"name": "spoken-l", "state": "absent"})
    assert f"remove {FOLDER}/sitecustomize.py" in result["actions"]
    assert host_with.run(["test", "-e", ROOT]).code == 1


def test_a_drop_in_brings_it_to_somebody_elses_unit(host_with):
    unit = "/etc/systemd/system/spoken-m.service"
    text = f"[Service]\nRuntimeDirectory=vendor\nSyslogIdentifier=vendor\nExecStart=/usr/bin/python3 {PROGRAM}\n"
    host_with.put(unit, text)
    host_with.check("systemctl daemon-reload; systemctl start spoken-m")
    deployed(host_with, {"name": "spoken-m", "drop_in": True, **STARTUP, "probe": True})
    found, environment = records(host_with, "spoken-m")
    assert found[0] == (4, "WARNING app: warned", "vendor")
    assert (environment["RUNTIME_DIRECTORY"], environment["STABILITY_PROBE"]) == (
        "/run/vendor",
        "/run/stability/spoken-m",
    )
    host_with.put(unit, f"{text}Environment=PYTHONPATH=/srv\n")
    host_with.check(["systemctl", "daemon-reload"])
    refused = apply(host_with, [{"name": "spoken-m", "drop_in": True, "probe": True}])
    assert refused["msg"] == (
        "services[0].probe (spoken-m): found spoken-m.service, which sets PYTHONPATH; expected environment: {PYTHONPATH: ...} "
        "beside it. The runtime's takes its place: write what it says into environment, too."
    )
    apply(host_with, [{"name": "spoken-m", "drop_in": True, "state": "absent"}])
    host_with.check(f"systemctl stop spoken-m; rm {unit}; systemctl daemon-reload")


def test_who_does_not_hand_the_runtime_over_is_told(host_with):
    refused = host_with.module("systemd_units", {"services": [spoken("spoken-n", probe=True)]})
    assert refused["msg"].startswith(
        "runtime: found no files; expected the files of the runtime, which spoken-n needs. "
    )


def test_a_file_of_variables_that_takes_it_away_is_told(host_with):
    host_with.put("/etc/spoken.env", "PYTHONPATH=/srv\n")
    services = [spoken("spoken-o", **STARTUP, environment_files=["/etc/spoken.env"])]
    warnings = apply(host_with, services, check=True)["warnings"]
    assert [one for one in warnings if "spoken-o: /etc/spoken.env sets PYTHONPATH, which counts instead" in one]


def test_root_becomes_somebody_else_under_the_presets_of_root(host_with):
    """The capability for it is lost with ``User=root`` from systemd 257 on."""
    program = "import os\nos.setgid(65534)\nos.setuid(65534)\n" + TEXT
    host_with.put("/srv/gives_up.py", program)
    deployed(host_with, spoken("spoken-p", user="root", exec_start=["/usr/bin/python3", "/srv/gives_up.py"], **STARTUP))
    found, environment = records(host_with, "spoken-p")
    assert found[0] == (4, "WARNING app: warned", "spoken-p")
    assert (environment["HOME"], environment["USER"]) == ("/root", "root")
    audit = host_with.module("baseline_info", {"services": [spoken("spoken-p", user="root")]})
    assert not audit.get("failed"), audit["msg"]


def test_everything_goes_with_the_baseline(host_with):
    deployed(host_with, spoken("spoken-q", **STARTUP, probe=True), spoken("spoken-r", logging={"apply": "file"}))
    predicted = host_with.module("baseline_removed", {}, check=True)
    result = host_with.module("baseline_removed", {})
    assert predicted["actions"] == result["actions"] and f"remove {ROOT}/logging/spoken-r.json" in result["actions"]
    assert (
        host_with.run(["test", "-e", ROOT]).code == host_with.run(["test", "-e", "/run/stability/spoken-q"]).code == 1
    )
    assert not host_with.module("baseline_removed", {})["changed"]
    host_with.names = []
