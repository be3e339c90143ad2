# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run that ends before any one of its changes: the next one heals the host, and nothing of somebody else is lost."""

from __future__ import annotations

import time
from itertools import count

import pytest
from ansible_collections.stability.baseline.plugins.module_utils.runtime_place import ROOT
from ansible_collections.stability.baseline.plugins.module_utils.service_logging import file_of

from proofs import SEED, proof
from releases import DEFAULT_RELEASE
from units import apply, pids, properties, service, units_of

FOLDER = "/etc/systemd/system"
THEIRS = "[Service]\nExecStart=/bin/sleep 4242\n\n[Install]\nWantedBy=multi-user.target\n"
PACKAGES = "/usr/lib/systemd/system"
#: In `make test` every eleventh point of three scenarios that the seed draws; of a changed schedule, which has few, every fifth.
SAMPLE, SCHEDULE_SAMPLE = 11, 5
BUDGET = {"sample": 180.0, "full": 2400.0}
FAILING = {"exec_start": ["/bin/sh", "-c", "exec sleep 2222"], "health": {"tcp": "127.0.0.1:9", "timeout": 1}}


def steps(host, sample):
    """Return how far apart the points are: in `make prove` all on one release, every third, beginning with another one, on the rest."""
    return {"sample": sample, "full": 1 if host.spec.release == DEFAULT_RELEASE else 3}


def command(host, unit):
    """Return the command line of the unit's present process."""
    return host.run(["cat", f"/proc/{pids(host, unit)[unit]}/cmdline"]).output.strip("\0").replace("\0", " ")


def state(host, name):
    """Return everything about a unit that must be as it was."""
    found = host.run(f"cat {FOLDER}/{name}.service; ls {FOLDER}/*.wants | grep -c '^{name}.service$'").output
    return [
        found,
        command(host, f"{name}.service"),
        *properties(host, f"{name}.service", "ActiveState", "UnitFileState"),
    ]


def settled(host, services):
    """Apply ``services`` until that is done; a second run must change nothing."""
    result = apply(host, services)
    assert not result.get("failed"), result.get("msg")
    again = apply(host, services)
    assert (again["changed"], again["actions"]) == (False, [])


def taken_away(host):
    """Take everything away; a second run must find nothing."""
    result = host.module("baseline_removed", {})
    assert not result.get("failed"), result.get("msg")
    assert not host.module("baseline_removed", {})["changed"]
    assert "stability" not in host.check(f"ls -AR {FOLDER}") + host.check(["ls", "/var/lib", "/usr/local/lib"])


def theirs(host, name):
    host.put(f"{FOLDER}/{name}.service", THEIRS)
    host.check(["systemctl", "daemon-reload"])
    host.check(["systemctl", "start", f"{name}.service"])


class Foreign:
    """A foreign unit that runs and is not enabled, and a deployment over it that fails."""

    def prepare(self, host, name):
        theirs(host, name)
        self.before = state(host, name)

    def interrupted(self, name):
        return "systemd_units", {"services": [service(name, **FAILING)]}

    def heal(self, host, name):
        settled(host, [service(name)])
        settled(host, [{"name": name, "state": "absent"}])
        assert host.read(f"{FOLDER}/{name}.service") == THEIRS

    def ended(self, host, name, result):
        """Check what a run that was not cut short left."""
        assert result["failed"]
        assert state(host, name) == self.before


class Undone(Foreign):
    """The same deployment, after which the baseline is taken away instead of applied again."""

    def heal(self, host, name):
        taken_away(host)
        assert state(host, name) == self.before


class Given(Foreign):
    """A foreign unit under ours, which is given back."""

    def prepare(self, host, name):
        theirs(host, name)
        settled(host, [service(name)])

    def interrupted(self, name):
        return "systemd_units", {"services": [{"name": name, "state": "absent"}]}

    def ended(self, host, name, result):
        assert result["changed"]
        assert host.read(f"{FOLDER}/{name}.service") == THEIRS


class Mine:
    """A unit of ours whose next version never answers."""

    def prepare(self, host, name):
        settled(host, [service(name)])

    def interrupted(self, name):
        return "systemd_units", {"services": [service(name, **FAILING)]}

    def heal(self, host, name):
        settled(host, [service(name)])
        assert command(host, f"{name}.service") == "/bin/sleep infinity"
        assert properties(host, f"{name}.service", "ActiveState", "UnitFileState") == ["active", "enabled"]
        settled(host, [{"name": name, "state": "absent"}])

    def ended(self, host, name, result):
        assert "The unit file from before has been put back" in result["msg"]
        assert command(host, f"{name}.service") == "/bin/sleep infinity"


class Removed(Foreign):
    """Everything is taken away, a foreign unit goes on as it was."""

    def prepare(self, host, name):
        theirs(host, name)
        self.before = state(host, name)
        theirs_and_ours = [service(name), {"name": "vendored", "drop_in": True, "probe": True}]
        settled(host, [*theirs_and_ours, service("ours@", instances=["a"], logging={"apply": "file"})])

    def interrupted(self, name):
        return "baseline_removed", {}

    def ended(self, host, name, result):
        assert result["changed"]

    def heal(self, host, name):
        taken_away(host)
        host.check(["systemctl", "is-active", "vendored.service"])
        assert state(host, name) == self.before


class Logged(Mine):
    """A unit of ours that gets the runtime, and another file of its logging."""

    def prepare(self, host, name):
        settled(host, [service(name, logging={"apply": "file"})])
        self.before = host.read(file_of(name))

    def interrupted(self, name):
        return "systemd_units", units_of([service(name, logging={"apply": "file", "level": "ERROR"}, probe=True)])

    def ended(self, host, name, result):
        assert result["changed"]

    def heal(self, host, name):
        settled(host, self.interrupted(name)[1]["services"])
        assert host.read(file_of(name)) != self.before
        environ = host.check(["cat", f"/proc/{pids(host, name)[name]}/environ"]).split("\0")
        assert {f"PYTHONPATH={ROOT}/python", f"STABILITY_PROBE=/run/stability/{name}"} <= set(environ)
        settled(host, [{"name": name, "state": "absent"}])
        assert host.run(["test", "-e", file_of(name)]).code == 1


class Unlogged(Mine):
    """A unit of ours that has had both and loses them."""

    def prepare(self, host, name):
        settled(host, [service(name, logging={"apply": "file"}, probe=True)])

    def interrupted(self, name):
        return "systemd_units", {"services": [service(name)]}

    def ended(self, host, name, result):
        assert result["changed"]

    def heal(self, host, name):
        super().heal(host, name)
        assert host.run(["test", "-e", file_of(name)]).code == 1


class Taken(Foreign):
    """A foreign daemon that runs, and a job that takes its name, after which the baseline is taken away."""

    def interrupted(self, name):
        job = {"name": name, "user": "tester", "exec_start": ["/bin/true"], "on_calendar": ["2099-01-01"]}
        return "systemd_units", {"services": [job]}

    def heal(self, host, name):
        taken_away(host)
        assert state(host, name) == self.before

    def ended(self, host, name, result):
        assert result["changed"]
        assert properties(host, f"{name}.service", "ActiveState") == ["inactive"]


class TakenAtLast(Taken):
    """The same job, for which the next run goes on."""

    def heal(self, host, name):
        settled(host, self.interrupted(name)[1]["services"])
        assert properties(host, f"{name}.service", "ActiveState", "Type") == ["inactive", "oneshot"]
        super().heal(host, name)


class Packaged:
    """A unit of a package that runs, and the first deployment over it."""

    def prepare(self, host, name):
        host.put(f"{PACKAGES}/{name}.service", THEIRS)
        host.check(f"systemctl daemon-reload; systemctl start {name}")

    def interrupted(self, name):
        return "systemd_units", {"services": [service(name)]}

    def ended(self, host, name, result):
        assert result["changed"]

    def heal(self, host, name):
        settled(host, self.interrupted(name)[1]["services"])
        self.see(host, name)
        settled(host, [{"name": name, "state": "absent"}])
        host.check(["rm", f"{PACKAGES}/{name}.service"])

    def see(self, host, name):
        assert command(host, f"{name}.service") == "/bin/sleep infinity"


class Over(Packaged):
    """A unit of a package that runs, and the first drop-in over it, which says more than the policy."""

    def interrupted(self, name):
        return "systemd_units", {"services": [{"name": name, "drop_in": True, "environment": {"MARK": name}}]}

    def see(self, host, name):
        environ = host.check(["cat", f"/proc/{pids(host, f'{name}.service')[f'{name}.service']}/environ"])
        assert f"MARK={name}" in environ.split("\0")


@pytest.mark.drawn(3)
@pytest.mark.parametrize(
    "kind", [Foreign, Undone, Given, Mine, Removed, Logged, Unlogged, Taken, TakenAtLast, Packaged, Over]
)
def test_a_run_that_ends_before_any_of_its_changes(host, kind):
    host.put(f"{PACKAGES}/vendored.service", "[Service]\nExecStart=/bin/sleep 7777\n")
    host.check(["systemctl", "start", "vendored.service"])
    with proof(f"crash points: {kind.__name__.lower()}", steps(host, SAMPLE), budget=BUDGET) as step:
        for point in count(1 + SEED % step, step):
            scenario, name = kind(), f"{kind.__name__.lower()}-{point}"
            scenario.prepare(host, name)
            module, options = scenario.interrupted(name)
            result = host.module(module, options, crash_at=point)
            if result:
                scenario.ended(host, name, result)
            scenario.heal(host, name)
            host.check(f"systemctl stop {name}; rm -f {FOLDER}/{name}.service; systemctl daemon-reload")
            if result:
                break


def test_a_start_that_a_killed_run_owes_and_nobody_wants_any_longer_is_forgotten(host):
    for point in (5, 8, 11):
        name = f"unwanted-{point}"
        host.module("systemd_units", {"services": [service(name)]}, crash_at=point)
        host.check(f"systemctl stop {name} || true")
        settled(host, [service(name, state="stopped")])
        assert properties(host, f"{name}.service", "ActiveState") == ["inactive"]


def test_a_changed_schedule_fires_for_no_past_time_wherever_the_run_ends(host):
    fires = {"user": "tester", "exec_start": ["/bin/echo", "fired"]}
    with proof("crash points: schedule", steps(host, SCHEDULE_SAMPLE), budget=BUDGET) as step:
        for point in count(1 + SEED % step, step):
            name = f"schedule-{point}"
            job = {"name": name, **fires, "on_calendar": ["2040-01-01"]}
            assert not apply(host, [job]).get("failed")
            stamp = f"/var/lib/systemd/timers/stamp-{name}.timer"
            host.check(f"touch -d '3 days ago' {stamp}; systemctl restart {name}.timer")
            changed = {**job, "on_calendar": [time.strftime("*-*-* %H:%M:%S", time.gmtime(time.time() - 600))]}
            result = host.module("systemd_units", {"services": [changed]}, crash_at=point)
            host.check("systemctl daemon-reload; sleep 1")
            healed = apply(host, [changed])
            assert not healed.get("failed"), healed.get("msg")
            assert properties(host, f"{name}.timer", "ActiveState", "NeedDaemonReload") == ["active", "no"]
            assert "fired" not in host.check(["journalctl", "-u", f"{name}.service", "-o", "cat", "--no-pager"]), point
            assert apply(host, [{"name": name, "state": "absent"}])["changed"]
            if result:
                break
    assert point > 5
