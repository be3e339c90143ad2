# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts that were set up by hand are moved in: units, supervisord, cron, each read, written, and taken by apply."""

from __future__ import annotations

import json
import random
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from ansible_collections.stability.baseline.plugins.module_utils.adopt_cron_times import calendar_of
from ansible_collections.stability.baseline.plugins.module_utils.adopt_unit_text import sections_in, words_in
from ansible_collections.stability.baseline.plugins.module_utils.calendar_period import by_expression, elapses

import cron_times
import testhosts
from proofs import SEED
from releases import RELEASES
from units import properties, wait_for
from wheelhouse import wheelhouse

WHEELS = Path(__file__).with_name("adopted_wheels.txt")
ETC = "/etc/systemd/system"
VENV = "/opt/shop/venv"
SECRET = "correct-horse-battery"
ADDRESS = f"postgres://shop:{SECRET}@db.example/shop"
SHOP = f"""[Unit]
Description=The shop
After=network-online.target
Wants=network-online.target

[Service]
User=shop
WorkingDirectory=/opt/shop
Environment=APP_ENV=production "GREETING=Hello  there, 100%%" DATABASE_URL={ADDRESS}
EnvironmentFile=-/etc/default/shop
ExecStart={VENV}/bin/gunicorn --bind 127.0.0.1:8000 \\
    --access-logformat '%%(h)s "%%(r)s"' \\
    wsgiref.simple_server:demo_app
ExecReload=/bin/kill -HUP $MAINPID
MemoryMax=256M
Restart=on-failure
RestartSec=3
NoNewPrivileges=yes
LimitCORE=0

[Install]
WantedBy=multi-user.target
"""
SLEEP = "import time; time.sleep(10**6)"
UNITS = {
    "shop.service": SHOP,
    "queue@.service": f"[Service]\nUser=shop\nExecStart={VENV}/bin/python -c '{SLEEP}' %i\n"
    "[Install]\nWantedBy=multi-user.target\n",
    "report.service": f"[Service]\nType=oneshot\nUser=shop\nExecStart={VENV}/bin/python -c 'print(1)'\n",
    "report.timer": "[Timer]\nOnCalendar=*-*-* 03:30:00\nRandomizedDelaySec=5min\n[Install]\nWantedBy=timers.target\n",
    "tool.service": f"[Service]\nExecStart=/bin/sh -c 'exec /usr/bin/python3 -c \"{SLEEP}\"'\n",
}
ENABLED = ("shop.service", "queue@mail.service", "queue@bills.service", "report.timer")
SUPERVISORD = """[supervisord]
logfile=/var/log/supervisord.log
pidfile=/run/supervisord.pid
environment=REGION="eu"

[include]
files = /etc/supervisor/conf.d/*.conf
"""
PROGRAMS = f"""[program:feed]
command={VENV}/bin/python -c "{SLEEP}" --port=90%(process_num)02d
process_name=%(program_name)s_%(process_num)02d
numprocs=2
directory=/opt/shop
user=shop
environment=API_TOKEN="{SECRET}",MODE="a,b" ; who reads it
autorestart=true
stopsignal=INT
stdout_logfile=/var/log/feed.log

[program:pager]
command=/bin/sleep 1000

[program:shop]
command={VENV}/bin/python -c "{SLEEP}"
autostart=false
"""
CRONTAB = f"""SHELL=/bin/sh
PATH=/usr/local/sbin:/usr/local/bin:/sbin:/bin:/usr/sbin:/usr/bin
MAILTO=ops@example.com
API_TOKEN={SECRET}
*/10 8-18 * * mon-fri shop cd /opt/shop && {VENV}/bin/python -m reports.sales --quiet >> /var/log/sales.log 2>&1
30 4 1,15 * 5 root python3 -c 'print(2)'
@daily shop {VENV}/bin/python /opt/shop/clean.py | logger
@reboot shop {VENV}/bin/python /opt/shop/warm.py
17 * * * * root run-parts --report /etc/cron.hourly
*/20 * * * * shop cd /opt/shop && flock -n /tmp/due ./due.py --all | cat &
0 1 * * * shop /opt/shop/due.py & /opt/shop/due.py
0 2 * * * shop /opt/shop/due.sh
"""
USERS_CRONTAB = "0 6 * * 1 /opt/shop/venv/bin/python /opt/shop/weekly.py 2>&1\n"


@pytest.fixture(scope="module")
def host(make_host, release):
    wheels = wheelhouse(WHEELS, RELEASES[release])
    host = make_host(f"adopt-{release}", release=release, ssh=True, wheelhouse=str(wheels))
    host.put("/etc/pip.conf", f"[global]\nno-index = true\nfind-links = {testhosts.WHEELHOUSE}\n")
    host.check("useradd --system --create-home --home-dir /var/lib/shop shop && mkdir -p /opt/shop")
    host.check(
        f"/usr/bin/python3 -m venv {VENV} && {VENV}/bin/pip install -q gunicorn supervisor && chown -R shop: /opt/shop"
    )
    return host


@pytest.fixture(scope="module")
def by_units(host):
    for name, text in UNITS.items():
        host.put(f"{ETC}/{name}", text)
    host.check(["systemctl", "daemon-reload"])
    host.check(["systemctl", "enable", "--now", *ENABLED])
    host.check(["systemctl", "start", "tool.service"])
    return host


class Loader(yaml.SafeLoader):
    """Reads ``!unsafe`` as text."""


Loader.add_constructor("!unsafe", lambda _loader, node: node.value)


def adopted(host, folder, **options):
    """Run the playbook, and return what it wrote: the text, and the lists with a value for each variable."""
    run = host.playbook("stability.baseline.adopt", extra={"stability_adopt_dir": str(folder)}, **options)
    assert run.code == 0, run.output
    path = folder / f"{host.name}.yml"
    text = path.read_text() if path.exists() else ""
    lists = yaml.load(text, Loader)
    return run, text, {**(lists or {}), **dict.fromkeys(re.findall(r"vault_\w+", text), ADDRESS)}


def origins(host):
    result = host.module("adopt_info", {})
    assert not result.get("failed") and not result["changed"], result.get("msg")
    assert SECRET not in str(result) and result["root"] and result["unseen"] == []
    return result


def predicted(host, variables):
    """Return the files that apply would change, before and after, and what else it would do."""
    run = host.playbook("stability.baseline.apply", variables=variables, check=True, diff=True)
    assert run.code == 0, run.output
    environments = [task["result"] for task in run.tasks if task["action"].endswith(".pip_pinned")]
    assert environments and not environments[0]["changed"], environments
    # Callbacks do not get the diff of a result.
    services = json.loads(re.sub(r"\{\{ vault_\w+ \}\}", ADDRESS, json.dumps(variables["stability_services"])))
    result = host.module("systemd_units", {"services": services}, check=True, diff=True)
    diffs = [each for each in result["diff"] if each.get("after_header", "").startswith(ETC)]
    return {each["after_header"].rpartition("/")[2]: (each["before"], each["after"]) for each in diffs}, result


def lost(before, after):
    """Return what the unit file before says and the one after does not."""
    texts = [sections_in([text]) for text in (before, after)]
    found = [
        {
            (section, name, words)
            for section, entries in sections.items()
            for name, lines in entries.items()
            for line in lines
            # Each variable counts for itself, a command as a whole.
            for words in (
                [(word,) for word in words_in(line) or ()] if name == "Environment" else [tuple(words_in(line) or ())]
            )
        }
        for sections in texts
    ]
    return found[0] - found[1]


def states(host):
    """Return of each unit whether it is up, and whether it is started at boot."""
    return {
        unit: (properties(host, unit, "ActiveState"), host.run(["systemctl", "-q", "is-enabled", unit]).code)
        for unit in ENABLED
    }


def test_nothing_is_written_in_check_mode(by_units, tmp_path):
    run, text, _variables = adopted(by_units, tmp_path, check=True)
    assert text == "" and list(tmp_path.iterdir()) == []
    assert run.tasks[-1]["result"]["changed"]


def test_units_are_moved_in(by_units, tmp_path):
    run, text, variables = adopted(by_units, tmp_path)
    assert SECRET not in text + run.output
    assert "vault_shop_database_url" in variables
    names = {name.rpartition(".")[0] for name in UNITS}
    assert names <= {service["name"] for service in variables["stability_services"]}
    _again, same, _variables = adopted(by_units, tmp_path)
    assert same == text and [path.name for path in tmp_path.iterdir()] == [f"{by_units.name}.yml"]

    files, result = predicted(by_units, variables)
    assert set(UNITS) <= set(files)
    for name in UNITS:
        before, after = files[name]
        assert lost(before, after) == set(), name
    assert not [action for action in result["actions"] if action.startswith(("enable", "disable", "start ", "stop "))]
    before = states(by_units)

    run = by_units.playbook("stability.baseline.apply", variables=variables)
    assert run.code == 0, run.output
    assert states(by_units) == before
    assert properties(by_units, "tool.service", "ActiveState", "UnitFileState") == ["active", "disabled"]
    answer = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:8000/').status)"
    assert by_units.check(["/usr/bin/python3", "-c", answer]) == "200\n"
    (pid,) = properties(by_units, "shop.service", "MainPID")
    environ = by_units.read(f"/proc/{pid}/environ").split("\0")
    assert {"APP_ENV=production", "GREETING=Hello  there, 100%", f"DATABASE_URL={ADDRESS}"} <= set(environ)
    again = by_units.playbook("stability.baseline.apply", variables=variables)
    assert again.code == 0 and not [task for task in again.tasks if task["result"].get("changed")], again.output

    found = origins(by_units)
    ours = {mark["subject"] for mark in found["marks"] if mark["text"].startswith("it is of the baseline already")}
    assert {"shop.service", "queue@.service", "report.service", "tool.service"} <= ours
    assert not names & {service["name"] for service in found["services"]}


def test_what_apply_would_refuse_is_told_or_left_out(by_units, tmp_path):
    by_units.check("mkdir -p /usr/local/odd && chown shop: /usr/local/odd")
    by_units.put(
        f"{ETC}/odd.service",
        f"[Service]\nUser=shop\nWorkingDirectory=/usr/local/odd\nExecStart=/usr/bin/python3 -c '{SLEEP}'\n"
        f"Restrat=always\nKillMode=none\nLogExtraFields=API_TOKEN={SECRET}\n[Install]\nWantedBy=multi-user.target\n",
    )
    by_units.check(["systemctl", "daemon-reload"])
    by_units.check(["systemctl", "enable", "--now", "odd.service"])
    try:
        found = origins(by_units)
        (odd,) = (service for service in found["services"] if service["name"] == "odd")
        marks = [mark["text"] for mark in found["marks"] if mark["subject"] == "odd"]
    finally:
        by_units.check(
            f"systemctl disable odd.service; systemctl kill -s KILL odd.service; rm {ETC}/odd.service; systemctl daemon-reload"
        )
    assert odd["hardening"] == "none"
    assert odd["directives"] == {
        "Service": {"KillMode": "none", "LogExtraFields": "API_TOKEN={{ vault_odd_api_token }}"}
    }
    assert any(mark.startswith("hardening: none, since basic has: ") for mark in marks), marks
    assert any(mark.startswith("Restrat= is left out") for mark in marks), marks
    assert any(mark.startswith("apply refuses") and "KillMode=none" in mark for mark in marks), marks
    assert not any("LogExtraFields" in mark for mark in marks), marks


def test_what_stays_between_systemd_and_python(by_units, tmp_path):
    """A shell that only waits is left out, sudo of root is a user, and sudo of a user is not kept from its work."""
    started = f"/usr/bin/python3 -c '{SLEEP}'"
    by_units.put("/opt/shop/run.sh", f"#!/bin/sh\nset -e\ncd /opt/shop\nexport SHOP_ID=7\n{started} only\n", 0o755)
    by_units.put("/opt/shop/more.sh", f"#!/bin/sh\numask 027\n{started} more --token {SECRET}\n", 0o755)
    units = {
        "only": "User=shop\nExecStart=/opt/shop/run.sh\n",
        "more": "User=shop\nExecStart=/opt/shop/more.sh\n",
        "becomes": f"ExecStart=/usr/bin/sudo -n -u shop {started} becomes\n",
        "climbs": f"User=deploy\nExecStart=/usr/bin/sudo -n {started} climbs\n",
    }
    for name, text in units.items():
        by_units.put(f"{ETC}/{name}.service", f"[Service]\n{text}[Install]\nWantedBy=multi-user.target\n")
    by_units.check(["systemctl", "daemon-reload"])
    by_units.check(["systemctl", "enable", "--now", *(f"{name}.service" for name in units)])
    try:
        wait_for(lambda: all(name in by_units.run(["pgrep", "-f", "-a", "time.sleep"]).output for name in units))
        run, text, variables = adopted(by_units, tmp_path)
        assert SECRET not in text + run.output
        found = {each["name"]: each for each in variables["stability_services"] if each["name"] in units}
        assert found["only"]["exec_start"] == ["/usr/bin/python3", "-c", SLEEP, "only"]
        assert (found["only"]["working_directory"], found["only"]["environment"]) == ("/opt/shop", {"SHOP_ID": "7"})
        assert found["more"]["exec_start"] == ["/opt/shop/more.sh"]
        assert (found["becomes"]["user"], found["becomes"]["exec_start"][0]) == ("shop", "/usr/bin/python3")
        assert (found["climbs"]["user"], found["climbs"]["hardening"]) == ("deploy", "none")
        services = {"stability_services": list(found.values())}
        applied = by_units.playbook("stability.baseline.apply", variables=services)
        assert applied.code == 0, applied.output
        # What is left of the shells and of sudo: only the script that does more, and what root is needed for.
        mains = {name: properties(by_units, f"{name}.service", "MainPID")[0] for name in units}
        programs = {name: by_units.check(["readlink", f"/proc/{pid}/exe"]) for name, pid in mains.items()}
        assert ["python" in programs[name] for name in units] == [True, False, True, False], programs
    finally:
        names = " ".join(f"{name}.service" for name in units)
        by_units.check(f"systemctl disable --now {names}; cd {ETC} && rm {names}; systemctl daemon-reload")


def test_what_has_lost_its_file_a_drop_in_with_blanks_and_a_python_in_the_path(by_units, tmp_path):
    """A unit whose file is gone, or masked, or refused, is told by its process while that runs."""
    started = (
        f"[Service]\nUser=shop\nWorkingDirectory=/opt/shop\nExecStart={VENV}/bin/python -c '{SLEEP}' --token {SECRET}\n"
    )
    lost = ("gone.service", "masked.service", "odd.service")
    path = f"Environment=PATH={VENV}/bin:/usr/bin\nExecStart=/usr/bin/env python -c '{SLEEP}'\n"
    for name in lost:
        by_units.put(f"{ETC}/{name}", started)
    by_units.put(f"{ETC}/found.service", f"[Service]\nUser=shop\n{path}RestartSec=infinity\n")
    by_units.put(
        f"{ETC}/due.service", f"[Service]\nType=oneshot\nUser=shop\nExecStart={VENV}/bin/python -c 'print(1)'\n"
    )
    by_units.put(f"{ETC}/due.timer", "[Timer]\nOnCalendar=daily\n[Install]\nWantedBy=timers.target\n")
    by_units.put(f"{ETC}/due.timer.d/20 more.conf", "[Timer]\nOnCalendar=\nOnCalendar=weekly\n")
    by_units.check(["systemctl", "daemon-reload"])
    by_units.check(["systemctl", "start", *lost, "found.service", "due.timer"])
    by_units.check(f"cd {ETC} && rm gone.service && ln -sf /dev/null masked.service && echo '[Service]' > odd.service")
    by_units.check(["systemctl", "daemon-reload"])
    try:
        found = origins(by_units)
        run, text, variables = adopted(by_units, tmp_path)
        assert SECRET not in text + run.output
        told = {mark["subject"]: mark["text"] for mark in found["marks"] if mark["subject"] in lost}
        expected = dict.fromkeys(lost, f"It runs as shop, in /opt/shop: {VENV}/bin/python -c")
        assert {name: text for name, text in expected.items() if text in told.get(name, "")} == expected, found["marks"]
        services = {service["name"]: service for service in variables["stability_services"]}
        assert not {name.partition(".")[0] for name in lost} & services.keys()
        assert services["due"]["on_calendar"] == ["weekly"]
        assert services["found"]["virtualenv"] == VENV and "restart_sec" not in services["found"]
    finally:
        by_units.check(
            f"systemctl stop {' '.join(lost)} found.service due.timer; cd {ETC} && rm -rf masked.service odd.service "
            "found.service due.service due.timer due.timer.d; systemctl daemon-reload; systemctl reset-failed"
        )


def test_programs_of_supervisord_are_moved_in(host, tmp_path):
    """It runs, with a file that is not at the usual place."""
    host.put("/opt/super/supervisord.conf", SUPERVISORD)
    host.put("/etc/supervisor/conf.d/feed.conf", PROGRAMS)
    start = [f"{VENV}/bin/python", f"{VENV}/bin/supervisord", "-c", "/opt/super/supervisord.conf"]
    host.check(["env", f"UPSTREAM_TOKEN={SECRET}", "SHOP_ID=7", *start])
    try:
        wait_for(lambda: "/var/log/feed.log" in host.run("ls /var/log/feed.log").output)
        run, text, variables = adopted(host, tmp_path)
        found = origins(host)
        assert SECRET not in text + run.output
        mine = {
            name for name, origin in found["origins"].items() if origin.startswith("/etc/supervisor/conf.d/feed.conf")
        }
        assert {"feed-0", "feed-1"} <= mine and not any("pager" in name for name in mine)
        services = {service["name"]: service for service in variables["stability_services"]}
        running = host.check(["pgrep", "-f", "-a", "--", "--port=90"]).splitlines()
        started = {" ".join(services[name]["exec_start"]) for name in ("feed-0", "feed-1")}
        assert {line.partition(" ")[2] for line in running} == started
        environ = host.read(f"/proc/{running[0].split()[0]}/environ").split("\0")
        expected = {**services["feed-0"]["environment"], "API_TOKEN": SECRET}
        assert {f"{name}={value}" for name, value in expected.items()} <= set(environ)
        told = [mark["text"] for mark in found["marks"] if mark["subject"] == "feed-0"]
        assert any(mark.startswith("it inherits from supervisord itself: ") for mark in told), told
        assert any(re.search(r"\bSHOP_ID, UPSTREAM_TOKEN\b", mark) for mark in told), told
        assert services["feed-0"]["environment"]["REGION"] == "eu"
        files, _result = predicted(host, variables)
        assert {"feed-0.service", "feed-1.service"} <= set(files)
    finally:
        host.check("pkill -F /run/supervisord.pid; rm -r /opt/super /etc/supervisor")


def test_lines_of_crontabs_are_moved_in(host, tmp_path):
    host.put("/etc/cron.d/shop", CRONTAB)
    host.put("/etc/cron.d/read.not", CRONTAB)
    host.put("/var/spool/cron/crontabs/shop", USERS_CRONTAB, 0o600)
    host.put("/etc/cron.daily/tidy", "#!/usr/bin/python3\n", 0o755)
    host.put("/opt/shop/due.py", "#!/usr/bin/python3\n", 0o755)
    host.put("/opt/shop/due.sh", "#!/bin/sh\ncd /opt/shop && ./due.py\n", 0o755)
    try:
        _run, text, variables = adopted(host, tmp_path)
        found = origins(host)
        lines = {origin: name for name, origin in found["origins"].items() if "/cron" in origin}
        assert set(lines) == {
            *(f"/etc/cron.d/shop:{line}" for line in (5, 6, 7, 10)),
            "/var/spool/cron/crontabs/shop:1",
        }
        assert SECRET not in text
        subjects = {mark["subject"] for mark in found["marks"]}
        assert {*(f"/etc/cron.d/shop:{line}" for line in (8, 11, 12)), "/etc/cron.daily/tidy"} <= subjects
        # What every release brings itself needs nobody to decide anything.
        assert not [
            name for name in subjects if name.startswith(("/etc/crontab", "/etc/cron.d/")) and "shop" not in name
        ]
        services = {service["name"]: service for service in variables["stability_services"]}
        assert services[lines["/etc/cron.d/shop:5"]]["exec_start"] == [
            f"{VENV}/bin/python",
            "-m",
            "reports.sales",
            "--quiet",
        ]
        assert services[lines["/etc/cron.d/shop:5"]]["virtualenv"] == VENV
        assert services[lines["/var/spool/cron/crontabs/shop:1"]]["working_directory"] == "/var/lib/shop"
        in_shell = services[lines["/etc/cron.d/shop:10"]]["exec_start"]
        assert in_shell == ["/bin/sh", "-c", "cd /opt/shop && flock -n /tmp/due ./due.py --all | cat"]
        files, _result = predicted(host, variables)
        assert {f"{name}.timer" for name in lines.values()} <= set(files)
        for origin, name in lines.items():
            line = (CRONTAB if "cron.d" in origin else USERS_CRONTAB).splitlines()[int(origin.rpartition(":")[2]) - 1]
            schedule = "0 0 * * *" if line.startswith("@daily") else " ".join(line.split()[:5])
            assert_same_times(host, schedule, services[name]["on_calendar"])
    finally:
        host.check(
            "rm /etc/cron.d/shop /etc/cron.d/read.not /var/spool/cron/crontabs/shop /etc/cron.daily/tidy /opt/shop/due.*"
        )


def assert_same_times(host, schedule, expressions):
    """Let the host's systemd say when the expressions elapse, and hold that against when cron starts the line."""
    begin, count = datetime(2024, 2, 26), 40
    base = (begin - timedelta(seconds=1)).strftime("%Y-%m-%d %H:%M:%S UTC")
    command = ["systemd-analyze", "calendar", "--base-time", base, "--iterations", str(count), "--", *expressions]
    parts = by_expression(host.check(["env", "TZ=UTC", "LC_ALL=C", *command]))
    own = [[datetime.fromtimestamp(one, UTC).replace(tzinfo=None) for one in elapses(part)] for part in parts]
    # What comes after the last of so many times of one expression has not been asked for.
    end = min([begin + timedelta(days=400), *(max(times) for times in own if len(times) == count)])
    expected = [moment for moment in cron_times.times(schedule, begin, end) if moment < end]
    assert sorted({moment for times in own for moment in times if moment < end}) == expected, (schedule, expressions)
    assert len(own) == len(expressions)


FIXED = (
    "*/23 * * jun *",
    "0 0 */9 * *",
    "0 */7 * * *",
    "0 0 1 */5 *",
    "*/15 */6 * */3 *",
    "0 0 29 2 *",
    "*/7 */5 */9 * *",
    "0 0 13 * fri",
    "15 3 */2 * 1",
    "5-50/9 1,2,13 1-7 feb-apr,12 sun",
    "59 23 31 * 7",
)


def some_schedules(number):
    """Return schedules of all kinds, the same ones for the same seed."""
    rng = random.Random(f"{SEED} crontab")

    def part(low, high, names):
        first, last = sorted((rng.randint(low, high), rng.randint(low, high)))
        step = rng.randint(2, max(2, high // 2))
        kinds = [str(first), str(first), f"{first}-{last}", f"{first}-{last}/{step}", f"*/{step}"]
        return rng.choice([*kinds, *([rng.choice(names.split())] if names else [])])

    def field(low, high, names):
        return "*" if rng.random() < 0.4 else ",".join(part(low, high, names) for _part in range(rng.choice((1, 1, 2))))

    return [" ".join(field(*limits) for limits in cron_times.LIMITS) for _schedule in range(number)]


def test_converted_times_elapse_when_cron_starts_the_line(host):
    drawn = some_schedules(40)
    if "systemd 247" in host.check(["systemctl", "--version"]):
        # It forgets the first of a month after one that lacks a day of the list, as with 01,31 and February.
        drawn = [schedule for schedule in drawn if schedule.split()[2] == "*"]
    for schedule in [*FIXED, *drawn]:
        assert_same_times(host, schedule, calendar_of(schedule))


def test_without_root_it_says_what_it_could_not_see(host, tmp_path):
    host.check("mkdir -p /var/spool/cron/crontabs && chmod 1730 /var/spool/cron/crontabs")
    run, text, _variables = adopted(host, tmp_path, user="deploy", variables={"stability_become": False})
    assert re.search(r"^# not seen: .*/var/spool/cron/crontabs \(Permission denied\)", text, re.MULTILINE), (
        run.output + text
    )
