# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Drop-ins over units of somebody else: the policy takes effect, and nothing else about the unit changes."""

from __future__ import annotations

import pytest

from units import applied, apply, pids, properties, wait_for

VENDOR = "/usr/lib/systemd/system"
DROP_IN = "/etc/systemd/system/{}.service.d/50-stability.conf"
DAEMON = "[Service]\nExecStart=/bin/sleep 100000\n\n[Install]\nWantedBy=multi-user.target\n"
#: systemd.service(5): the types of daemons, each with a program that fits.
FORKING = "[Service]\nType=forking\nExecStart=/bin/sh -c 'sleep 100000 & :'\n"
NOTIFY = "[Service]\nType=notify\nNotifyAccess=all\nExecStart=/bin/sh -c 'systemd-notify --ready; exec sleep 100000'\n"
POLICY = ("Restart", "RestartUSec", "StartLimitIntervalUSec")
ALWAYS = ["always", "5s", "0"]


def vendor(host, name, text, *, start=True, timer=""):
    host.put(f"{VENDOR}/{name}.service", text)
    if timer:
        host.put(f"{VENDOR}/{name}.timer", timer)
    host.check(["systemctl", "daemon-reload"])
    if start:
        host.check(["systemctl", "start", f"{name}.timer" if timer else f"{name}.service"])


def over(name, **keys):
    return {"name": name, "drop_in": True, **keys}


@pytest.mark.parametrize(("kind", "text"), [("simple", DAEMON), ("forking", FORKING), ("notify", NOTIFY)])
def test_a_daemon_comes_back_and_was_not_restarted_for_it(host, kind, text):
    name = f"vendor-{kind}"
    vendor(host, name, text)
    before, enabled = pids(host, name), properties(host, f"{name}.service", "UnitFileState", "User", "Environment")
    result = applied(host, [over(name)])
    assert result["actions"] == [f"create {DROP_IN.format(name)}", "daemon-reload"]
    assert properties(host, f"{name}.service", *POLICY) == ALWAYS
    assert pids(host, name) == before
    assert properties(host, f"{name}.service", "UnitFileState", "User", "Environment") == enabled
    host.check(["systemctl", "kill", "-s", "KILL", f"{name}.service"])
    wait_for(lambda: properties(host, f"{name}.service", "ActiveState", "NRestarts") == ["active", "1"])

    gone = applied(host, [{"name": name, "state": "absent"}])
    assert gone["actions"] == [f"remove {DROP_IN.format(name)}", "daemon-reload"]
    assert properties(host, f"{name}.service", *POLICY) == ["no", "100ms", "10s"]
    assert properties(host, f"{name}.service", "ActiveState") == ["active"]
    assert host.run(["test", "-e", f"/etc/systemd/system/{name}.service.d"]).code != 0


def test_a_oneshot_still_starts_and_is_tried_again_within_bounds(host):
    vendor(host, "vendor-setup", "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n", start=False)
    applied(host, [over("vendor-setup")])
    host.check(["systemctl", "start", "vendor-setup.service"])
    assert properties(host, "vendor-setup.service", "ActiveState", *POLICY, "StartLimitBurst") == [
        "active", "on-failure", "1min", "10min", "4",
    ]  # fmt: skip


def test_a_daemon_that_becomes_a_oneshot_loads_again(host):
    """systemd.service(5): our Restart=always on a oneshot unit keeps it from being loaded."""
    vendor(host, "vendor-turned", DAEMON)
    applied(host, [over("vendor-turned")])
    vendor(host, "vendor-turned", DAEMON.replace("[Service]", "[Service]\nType=oneshot"), start=False)
    assert properties(host, "vendor-turned.service", "LoadState") == ["bad-setting"]
    applied(host, [over("vendor-turned")])
    assert properties(host, "vendor-turned.service", "LoadState", "Restart") == ["loaded", "on-failure"]


def test_a_oneshot_with_a_timer_of_its_own_keeps_its_own_way(host):
    text = "[Service]\nType=oneshot\nExecStart=/bin/false\n"
    vendor(host, "vendor-turns", text, timer="[Timer]\nOnCalendar=*:*:0/2\nAccuracySec=100ms\n")
    applied(host, [over("vendor-turns", memory_max="64M")])
    assert properties(host, "vendor-turns.service", "Restart", "MemoryMax") == ["no", str(64 << 20)]
    runs = "journalctl -o cat -u vendor-turns.service --grep 'Failed with result' | wc -l"
    already = int(host.check(runs))
    # The limit of a daemon's policy, or one that counts the timer's starts, would end this after a few.
    wait_for(lambda: int(host.check(runs)) >= already + 7, seconds=30)
    host.check(["systemctl", "stop", "vendor-turns.timer"])


def test_what_is_written_out_takes_effect_and_restarts_once(host):
    vendor(host, "vendor-more", DAEMON)
    before = pids(host, "vendor-more")
    keys = {"environment": {"A": "b c"}, "settle_sec": 0, "memory_max": "96M"}
    assert applied(host, [over("vendor-more", **keys)])["restarted"] == ["vendor-more.service"]
    after = pids(host, "vendor-more")
    assert after != before
    assert "A=b c" in host.check(["cat", f"/proc/{after['vendor-more']}/environ"]).split("\0")
    only_policy = applied(host, [over("vendor-more", **keys, restart_sec="7s")])
    assert (only_policy["restarted"], pids(host, "vendor-more")) == ([], after)
    replaced = applied(host, [over("vendor-more", exec_start=["/bin/sleep", "200000"], settle_sec=0)])
    assert replaced["restarted"] == ["vendor-more.service"]
    result = apply(host, [{"name": "vendor-more", "state": "absent"}])
    assert any("Restart it when that suits" in warning for warning in result["warnings"])
    assert properties(host, "vendor-more.service", "ActiveState") == ["active"]


def test_neither_started_nor_enabled_unless_written_out(host):
    vendor(host, "vendor-idle", DAEMON, start=False)
    applied(host, [over("vendor-idle")])
    assert properties(host, "vendor-idle.service", "ActiveState", "UnitFileState") == ["inactive", "disabled"]
    applied(host, [over("vendor-idle", state="started", enabled=True, settle_sec=0)])
    assert properties(host, "vendor-idle.service", "ActiveState", "UnitFileState") == ["active", "enabled"]
    applied(host, [over("vendor-idle", state="stopped", enabled=False)])
    assert properties(host, "vendor-idle.service", "ActiveState", "UnitFileState") == ["inactive", "disabled"]


@pytest.mark.parametrize(("says", "user"), [("", "root"), ("User=daemon\n", "daemon")])
def test_a_health_command_runs_as_the_unit_does(host, says, user):
    name = f"vendor-asked-{user}"
    vendor(host, name, DAEMON.replace("[Service]\n", f"[Service]\n{says}"), start=False)
    ask = ["/bin/sh", "-c", f'test "$(id -un)" = {user}']
    assert applied(host, [over(name, state="started", health={"command": ask})])["started"] == [f"{name}.service"]


def test_a_watched_file_restarts_somebody_elses_daemon(host):
    host.put("/etc/vendor-watch.conf", "one\n")
    vendor(host, "vendor-watch", DAEMON)
    one = over("vendor-watch", restart_on=["/etc/vendor-watch.conf"], settle_sec=0)
    assert applied(host, [one])["restarted"] == []
    host.put("/etc/vendor-watch.conf", "two\n")
    assert applied(host, [one])["restarted"] == ["vendor-watch.service"]


def test_what_cannot_be_is_refused_before_anything_is_touched(host):
    host.put(f"{VENDOR}/vendor-once.service", "[Service]\nType=oneshot\nExecStart=/bin/true\n")
    host.put(f"{VENDOR}/vendor-plain.service", "[Service]\nExecStart=/bin/sleep 1\nFoolish=yes\n")
    host.check(["systemctl", "daemon-reload"])
    applied(host, [{"name": "ours", "user": "tester", "exec_start": ["/bin/sleep", "infinity"], "settle_sec": 0}])
    result = apply(
        host,
        [
            over("vendor-nowhere"),
            over("ours"),
            over("vendor-once", restart="always", state="started"),
        ],
    )
    assert result["msg"].splitlines() == [
        "services[1].drop_in (ours): found ours.service, which is ours; expected a unit of somebody else. "
        "Take drop_in out, or remove the unit first with state: absent.",
        'services[2].restart (vendor-once): found "always"; expected a restart policy for Type=oneshot (systemd.service(5)). '
        "Take it out, or write on-failure.",
        'services[2].state (vendor-once): found "started"; expected no state for vendor-once.service, which is a oneshot and down '
        "again as soon as it is done. Take state out, or write directives: {Service: {RemainAfterExit: 'yes'}}.",
        "services[0].drop_in (vendor-nowhere): found vendor-nowhere.service, whose LoadState is not-found and whose unit file "
        "is not there; expected a unit that is there. Install what brings it.",
    ]
    remains = over("vendor-once", state="started", settle_sec=0, directives={"Service": {"RemainAfterExit": "yes"}})
    assert applied(host, [remains])["started"] == ["vendor-once.service"]
    # What is wrong with the vendor's own file is none of ours; what we add to it is.
    assert not apply(host, [over("vendor-plain")]).get("failed")
    wrong = apply(host, [over("vendor-plain", directives={"Service": {"MemoryMax": "plenty"}})])
    assert "vendor-plain.service.d/50-stability.conf" in wrong["msg"] and "plenty" in wrong["msg"]
    predicted = apply(host, [over("vendor-nowhere")], check=True)
    assert predicted["actions"] == [f"create {DROP_IN.format('vendor-nowhere')}", "daemon-reload"]
    assert any("unless an earlier step of it makes that" in warning for warning in predicted["warnings"])


def test_a_drop_in_of_the_same_name_is_kept_and_put_back(host):
    vendor(host, "vendor-kept", DAEMON)
    theirs = "[Service]\nRestartSec=33s\n"
    host.put(DROP_IN.format("vendor-kept"), theirs)
    host.check(["systemctl", "daemon-reload"])
    applied(host, [over("vendor-kept")])
    assert properties(host, "vendor-kept.service", *POLICY) == ALWAYS
    applied(host, [{"name": "vendor-kept", "state": "absent"}])
    assert host.read(DROP_IN.format("vendor-kept")) == theirs
    assert properties(host, "vendor-kept.service", "RestartUSec", "ActiveState") == ["33s", "active"]
    host.check(["rm", DROP_IN.format("vendor-kept")])


def test_a_restart_that_fails_puts_everything_back(host):
    vendor(host, "vendor-back", DAEMON)
    broken = over("vendor-back", exec_start=["/bin/sh", "-c", "exit 7"], settle_sec="1s")
    result = apply(host, [broken])
    assert result["failed"] and "The unit file from before has been put back" in result["msg"]
    assert properties(host, "vendor-back.service", "ActiveState", "Restart") == ["active", "no"]
    assert host.run(["test", "-e", DROP_IN.format("vendor-back")]).code != 0
    assert applied(host, [over("vendor-back")])["restarted"] == []


@pytest.mark.parametrize("moment", [0.15, 0.3, 0.5])
def test_killed_at_any_moment_the_next_run_finishes(host, moment):
    name = f"vendor-cut-{int(moment * 100)}"
    vendor(host, name, DAEMON)
    one = over(name, environment={"MOMENT": str(moment)}, settle_sec=0)
    host.module("systemd_units", {"services": [one]}, kill_after=moment)
    result = apply(host, [one])
    assert not result.get("failed"), result["msg"]
    assert not apply(host, [one])["changed"]
    environ = host.check(["cat", f"/proc/{pids(host, name)[name]}/environ"]).split("\0")
    assert f"MOMENT={moment}" in environ


def test_a_drop_in_of_others_that_comes_after_ours_is_named(host):
    vendor(host, "vendor-later", DAEMON)
    host.put("/etc/systemd/system/vendor-later.service.d/override.conf", "[Service]\nRestart=no\n")
    host.check(["systemctl", "daemon-reload"])
    result = apply(host, [over("vendor-later")])
    assert result["warnings"][0] == (
        "/etc/systemd/system/vendor-later.service.d/override.conf comes after the drop-in for vendor-later.service and overrides "
        "Restart=. Take that out there, or leave it if it is meant."
    )


def test_a_timer_that_is_stopped_today_counts_too(host):
    text = "[Service]\nType=oneshot\nExecStart=/bin/true\n"
    vendor(host, "vendor-later-timed", text, start=False)
    host.put(f"{VENDOR}/vendor-other.timer", "[Timer]\nOnCalendar=2099-01-01\nUnit=vendor-later-timed.service\n")
    host.check(["systemctl", "daemon-reload"])
    applied(host, [over("vendor-later-timed")])
    assert properties(host, "vendor-later-timed.service", "Restart") == ["no"]
    host.check(["systemctl", "start", "vendor-other.timer"])
    assert not apply(host, [over("vendor-later-timed")])["changed"]


def test_what_a_timer_starts_is_a_job_whatever_its_type(host):
    """Under Restart=always it would run again five seconds after each end."""
    vendor(host, "vendor-timed", DAEMON.replace("sleep 100000", "true"), start=False)
    host.put(f"{VENDOR}/vendor-timed.timer", "[Timer]\nOnCalendar=2099-01-01\n")
    host.put(f"{VENDOR}/vendor-watched.service", DAEMON.replace("sleep 100000", "true"))
    host.put(f"{VENDOR}/vendor-watched.path", "[Path]\nPathChanged=/srv/never\n")
    host.check(["systemctl", "daemon-reload"])
    applied(host, [over("vendor-timed", memory_max="64M"), over("vendor-watched")])
    host.check(["systemctl", "start", "vendor-timed.service", "vendor-watched.service"])
    for name in ("vendor-timed", "vendor-watched"):
        wait_for(
            lambda name=name: properties(host, f"{name}.service", "ActiveState", "SubState") == ["inactive", "dead"]
        )
        assert properties(host, f"{name}.service", *POLICY) == ["no", "100ms", "10s"]


def test_a_template_of_a_timer_is_triggered_like_its_instances(host):
    host.put(f"{VENDOR}/vendor-many@.service", "[Service]\nType=oneshot\nExecStart=/bin/true\n")
    host.put(f"{VENDOR}/vendor-many@.timer", "[Timer]\nOnCalendar=2099-01-01\n")
    host.check(["systemctl", "daemon-reload"])
    applied(host, [over("vendor-many@")])
    assert properties(host, "vendor-many@x.service", "Restart") == ["no"]


def test_what_the_unit_does_not_allow_is_refused(host):
    host.put("/srv/vendor-linked.service", DAEMON)
    host.check(["systemctl", "enable", "/srv/vendor-linked.service"])
    host.put(f"{VENDOR}/vendor-static.service", "[Service]\nExecStart=/bin/sleep 1\n")
    host.put(f"{VENDOR}/vendor-masked.service", DAEMON)
    host.check(["systemctl", "daemon-reload"])
    host.check(["systemctl", "mask", "vendor-masked.service"])
    host.put(f"{VENDOR}/vendor-broken.service", "[Service]\nRestart=always\n")
    result = apply(
        host,
        [
            over("vendor-linked", enabled=False),
            over("vendor-static", enabled=True, start_limit_burst=3),
            over("vendor-masked"),
            over("vendor-broken"),
        ],
    )
    assert result["msg"].splitlines() == [
        "services[0].enabled (vendor-linked): found false for vendor-linked.service, whose unit file is a link; expected a unit whose "
        "file stays. systemctl disable would remove the link; take enabled out, and remove its links by hand.",
        "services[1].start_limit_burst (vendor-static): found 3; expected a window in which it counts. Add start_limit_interval_sec.",
        "services[1].enabled (vendor-static): found true for vendor-static.service, which is static; "
        "expected a unit with an [Install] section. Take enabled out.",
        "services[2].drop_in (vendor-masked): found vendor-masked.service, which is masked; expected a unit that may start. "
        "Unmask it with systemctl unmask vendor-masked.service, or take it out of the list.",
        "services[3].drop_in (vendor-broken): found vendor-broken.service, whose LoadState is bad-setting; "
        "expected a unit that systemd can load. See systemctl status vendor-broken.service.",
    ]


def test_a_unit_of_ours_that_fails_over_a_drop_in_gives_the_drop_in_back(host):
    vendor(host, "vendor-full", DAEMON)
    applied(host, [over("vendor-full", memory_max="64M", settle_sec=0)])
    full = {"name": "vendor-full", "user": "tester", "exec_start": ["/bin/sh", "-c", "exit 7"], "settle_sec": "1s"}
    result = apply(host, [full])
    assert "The unit file from before has been put back" in result["msg"]
    assert properties(host, "vendor-full.service", "UnitFileState", "ActiveState", *POLICY) == [
        "disabled", "active", *ALWAYS,
    ]  # fmt: skip
    assert not apply(host, [over("vendor-full", memory_max="64M", settle_sec=0)])["changed"]


def test_what_a_killed_run_left_beside_a_drop_in_is_removed(host):
    vendor(host, "vendor-staged", DAEMON)
    applied(host, [over("vendor-staged")])
    staged = "/etc/systemd/system/vendor-staged.service.d/.50-stability.conf.stability-staged"
    host.put(staged, "half")
    assert applied(host, [over("vendor-staged")])["actions"] == [f"remove {staged}, which a killed run left"]


def test_the_type_of_a_unit_is_its_own_whatever_the_drop_in_says(host):
    text = "[Service]\nType=oneshot\nExecStart=/bin/sleep 4821\n"
    vendor(host, "vendor-typed", text, start=False)
    applied(host, [over("vendor-typed", directives={"Service": {"Type": "exec"}})])
    assert properties(host, "vendor-typed.service", "Type", *POLICY) == ["exec", "always", "5s", "0"]
    applied(host, [over("vendor-typed", type="exec")])
    applied(host, [over("vendor-typed")])
    assert properties(host, "vendor-typed.service", "Type", *POLICY) == ["oneshot", "on-failure", "1min", "10min"]


def test_a_unit_that_systemd_does_not_stop_is_no_success(host):
    vendor(host, "vendor-stays", f"[Unit]\nRefuseManualStop=yes\n{DAEMON}")
    result = apply(host, [over("vendor-stays", state="stopped")])
    assert result["failed"] and result["msg"].startswith("vendor-stays.service could not be stopped: Operation refused")
    assert result["failed_units"][0]["outcome"].endswith("the unit is active under it.")
    again = apply(host, [over("vendor-stays", state="stopped")])
    assert again["failed"] and properties(host, "vendor-stays.service", "DropInPaths") == [""]
    assert properties(host, "vendor-stays.service", "ActiveState") == ["active"]


def test_a_command_of_the_unit_may_be_taken_out(host):
    vendor(host, "vendor-emptied", DAEMON)
    applied(host, [over("vendor-emptied", directives={"Service": {"ExecReload": [], "TimeoutStopSec": "5s"}})])
