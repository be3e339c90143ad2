# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook remove: afterwards the host is as it was before, service by service."""

from __future__ import annotations

import pytest

from units import apply, pids, properties, service, wait_for

ETC, VENDOR = "/etc/systemd/system", "/usr/lib/systemd/system"
SLEEP = "[Service]\nExecStart=/bin/sleep {}\n\n[Install]\nWantedBy=multi-user.target\n"
VENV = "/opt/removed/venv"
TIMER = "stability-leakwatch.timer"
MARK = f"{VENV}/stability-generation.json"
#: name: (where its unit file is, enabled, running) before the baseline came.
BEFORE = {
    "hand-running": (ETC, True, True),
    "hand-disabled": (ETC, False, True),
    "hand-stopped": (ETC, True, False),
    "pack-running": (VENDOR, True, True),
    "pack-idle": (VENDOR, False, False),
    "pack-dropped": (VENDOR, False, True),
    "inst@a": (ETC, True, True),
    "inst@b": (ETC, False, True),
    "pack-stopped": (VENDOR, True, True),
    "pack-started": (VENDOR, False, False),
}
#: A unit of this one is enabled by a link that its unit file does not name.
LINKED = "hand-running"
SERVICES = [
    *(service(name) for name in ("hand-running", "hand-disabled", "hand-stopped", "pack-running", "pack-idle", "new")),
    {"name": "pack-dropped", "drop_in": True},
    {"name": "pack-stopped", "drop_in": True, "state": "stopped", "enabled": False},
    {"name": "pack-started", "drop_in": True, "state": "started", "enabled": True},
    service("inst@", instances=["a", "c"]),
    service("fresh@", instances=["x"]),
    {"name": "turns", "user": "tester", "exec_start": ["/bin/true"], "on_calendar": ["2099-01-01"]},
    service("named", log_namespace="removed"),
]
STATES = ("LoadState", "ActiveState", "UnitFileState", "FragmentPath", "DropInPaths")
UNITS = [
    *(f"{name}.service" for name in BEFORE),
    "new.service",
    "inst@c.service",
    "fresh@x.service",
    "turns.timer",
    "named.service",
]


def unit_file(name):
    return f"{name.split('@')[0]}@.service" if "@" in name else f"{name}.service"


@pytest.fixture(scope="module")
def host(make_host, release):
    host = make_host(f"remove-{release}", release=release, ssh=True)
    for number, (name, (folder, _enabled, _running)) in enumerate(BEFORE.items()):
        host.put(f"{folder}/{unit_file(name)}", SLEEP.format(1000 + (4 if "@" in name else number)))
    host.check(["systemctl", "daemon-reload"])
    for name, (_folder, enabled, running) in BEFORE.items():
        if enabled:
            host.check(["systemctl", "enable", f"{name}.service"])
        if running:
            host.check(["systemctl", "start", f"{name}.service"])
    host.check(f"mkdir -p {ETC}/extra.target.wants && ln -s {ETC}/{LINKED}.service {ETC}/extra.target.wants/")
    host.check(["systemctl", "daemon-reload"])
    return host


def seen(host):
    """Return, by its name, what is seen of every service and of every file below the folders that the collection writes to."""
    facts = {}
    for unit in UNITS:
        process = "" if unit.endswith(".timer") else pids(host, unit)[unit]
        command = host.run(["cat", f"/proc/{process}/cmdline"]).output if process not in ("", "0") else ""
        facts[unit] = [*properties(host, unit, *STATES), command]
    found = host.check(
        f"find {ETC} /etc/systemd/journald.conf.d /etc/systemd/journald@*.d /var/lib/stability /usr/local/lib/stability {VENV}"
        " ! -type d -printf '%p %l\\n' 2>/dev/null | sort || true"
    )
    facts.update(dict.fromkeys(found.splitlines()))
    for name in host.check(f"cd {ETC} && ls *.service").split():
        facts[f"text of {name}"] = host.read(f"{ETC}/{name}")
    return facts


def test_the_host_is_as_it_was_before(host):
    host.check(["mkdir", "-p", VENV])
    before = seen(host)
    variables = {"stability_services": SERVICES, "stability_environments": []}
    deployed = host.playbook("stability.baseline.apply", variables=variables)
    assert deployed.code == 0, deployed.output
    host.put(MARK, '{"generation": "g"}\n')
    watching = host.module("leakwatch", {"interval": "1s"})
    assert not watching.get("failed"), watching["msg"]
    wait_for(lambda: "/var/lib/stability/leakwatch.sqlite " in seen(host))
    assert host.run(["test", "-e", f"{ETC}/{TIMER}"]).code == 0
    secret = "correct-horse-battery"
    index = f"https://me:{secret}@127.0.0.1/simple"
    variables["stability_environments"] = [{"virtualenv": VENV, "pins": [], "index_url": index}]
    # Up to ansible-core 2.20 there is an invocation in any case.
    variables["ansible_inject_invocation"] = True

    arguments = ["-vvv"]
    predicted = host.playbook(
        "stability.baseline.remove", variables=variables, check=True, diff=True, arguments=arguments
    )
    assert predicted.code == 0, predicted.output
    removed = host.playbook("stability.baseline.remove", variables=variables, diff=True)
    assert removed.code == 0, removed.output
    results = [run.tasks[-1]["result"] for run in (predicted, removed)]
    assert [result["changed"] for result in results] == [True, True]
    assert results[0]["invocation"]["module_args"]["environments"] == [VENV]
    assert secret not in predicted.output + host.check(["journalctl", "--no-pager", "-o", "cat"])
    assert results[0]["actions"] == results[1]["actions"]
    assert [run.tasks[-2]["result"]["changed"] for run in (predicted, removed)] == [True, True]
    assert seen(host) == before and properties(host, TIMER, "LoadState") == ["not-found"]
    assert host.run(["test", "-e", "/var/lib/stability"]).code != 0

    again = host.playbook("stability.baseline.remove", variables=variables)
    assert not again.tasks[-1]["result"]["changed"] and again.code == 0
    assert host.run(["test", "-e", "/var/lib/stability"]).code != 0
    host.reboot()
    rebooted = seen(host)
    for name, (_folder, enabled, _running) in BEFORE.items():
        assert rebooted[f"{name}.service"][1] == ("active" if enabled else "inactive"), name


@pytest.mark.parametrize("moment", [0.2, 0.35, 0.5])
def test_killed_at_any_moment_the_next_run_finishes(host, moment):
    for name, (_folder, _enabled, running) in BEFORE.items():
        host.check(["systemctl", "start" if running else "stop", f"{name}.service"])
    before = seen(host)
    assert not apply(host, SERVICES).get("failed")
    host.module("baseline_removed", {}, kill_after=moment)
    finished = host.module("baseline_removed", {})
    assert not finished.get("failed"), finished.get("msg")
    assert seen(host) == before
    assert not host.module("baseline_removed", {})["changed"]


def test_a_timer_of_somebody_else_is_told_and_starts_nothing_of_ours_once_that_is_gone(host):
    """It fires between our stop and the daemon-reload, and its own unit must be the one that then runs."""
    theirs = "[Unit]\nStartLimitIntervalSec=0\n[Service]\nType=oneshot\nExecStart=/bin/echo theirs\n"
    host.put(f"{ETC}/timed.service", theirs)
    host.check(["systemctl", "daemon-reload"])
    ours = [service("timed", state="stopped")]
    assert apply(host, ours)["changed"]
    host.put(f"{ETC}/timed.timer", "[Timer]\nOnActiveSec=1ms\nOnUnitInactiveSec=1ms\nAccuracySec=1us\n")
    host.check("systemctl daemon-reload && systemctl start timed.timer")
    assert "timed.timer starts timed.service at times of its own" in " ".join(apply(host, ours)["warnings"])
    wait_for(lambda: properties(host, "timed.service", "ActiveState", "Type") == ["active", "exec"])

    removed = host.module("baseline_removed", {})
    assert not removed.get("failed"), removed.get("msg")
    wait_for(lambda: "theirs" in host.check("journalctl --no-pager -o cat -u timed.service").splitlines())
    assert not host.module("baseline_removed", {})["changed"]
    host.check(f"systemctl stop timed.timer && rm {ETC}/timed.* && systemctl daemon-reload")


def test_an_environment_that_a_killed_run_left_beside_its_place_stays(host):
    folder = "/opt/halved"
    host.check(f"mkdir -p {folder}/.venv.stability/replaced/bin && touch {folder}/.venv.stability/replaced/pyvenv.cfg")
    options = {"environments": [{"virtualenv": f"{folder}/venv"}]}
    predicted = host.module("baseline_removed", options, check=True)
    removed = host.module("baseline_removed", options)
    assert not removed.get("failed"), removed.get("msg")
    assert predicted["actions"] == removed["actions"]
    assert f"put {folder}/venv back, which a killed run left beside it" in removed["actions"]
    assert host.check(f"cd {folder} && find . -type f") == "./venv/pyvenv.cfg\n"
