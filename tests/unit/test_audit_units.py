# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules of the audit about a unit: one key away from the baseline gives exactly one finding."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.stability.baseline.plugins.module_utils.audit_model import Process, Unit, UnitFile, Worker
from ansible_collections.stability.baseline.plugins.module_utils.audit_rules import BY_ID, RULES
from ansible_collections.stability.baseline.plugins.module_utils.audit_units import RULES as FUNCTIONS
from ansible_collections.stability.baseline.plugins.module_utils.audit_units import judge
from ansible_collections.stability.baseline.plugins.module_utils.unit_files import HEADER
from unit_data import DAEMON, FILE, JOB, PROCESS, daemon, found, job


@pytest.mark.parametrize("unit", [daemon(), job(), job(StartLimitIntervalUSec="infinity")])
def test_nothing_is_found_under_the_baseline(unit: Unit) -> None:
    assert found(unit) == []


@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        (daemon(Restart="on-failure"), ("SB101", "Restart=on-failure")),
        (daemon(Restart="no"), ("SB101", "Restart=no")),
        (job(Restart="no"), ("SB101", "Restart=no, of a job")),
        (job(StartLimitIntervalUSec="0"), ("SB101", "Restart=on-failure without a bound, of a job")),
        (
            job(RestartUSec="3s", StartLimitIntervalUSec="10s", StartLimitBurst="5"),
            ("SB101", "Restart=on-failure without a bound, of a job"),
        ),
        (job(RestartUSec="infinity"), ("SB101", "Restart=on-failure at RestartSec=infinity, of a job")),
        (daemon(RestartUSec="infinity"), ("SB101", "Restart=always, at RestartSec=infinity")),
        (
            daemon(RestartPreventExitStatus="0 1 KILL TERM"),
            ("SB101", "Restart=always, but for the ends of RestartPreventExitStatus=0 1 KILL TERM"),
        ),
        (daemon(Restart="no", RestartPreventExitStatus="0"), ("SB101", "Restart=no")),
        (
            daemon(RemainAfterExit="yes"),
            ("SB101", "Restart=always, but for the ends that RemainAfterExit=yes takes for none"),
        ),
        (daemon(Restart="no", RemainAfterExit="yes"), ("SB101", "Restart=no")),
        (daemon(RestartUSec="100ms"), ("SB102", "RestartSec=100ms")),
        (
            daemon(RestartUSec="100ms", RestartSteps="5", RestartMaxDelayUSec="900ms"),
            ("SB102", "RestartSec=100ms"),
        ),
        (
            daemon(RestartUSec="100ms", RestartSteps="0", RestartMaxDelayUSec="1min"),
            ("SB102", "RestartSec=100ms"),
        ),
        (
            daemon(StartLimitIntervalUSec="1min"),
            ("SB103", "StartLimitBurst=5 within StartLimitIntervalSec=1min, at RestartSec=5s"),
        ),
        (
            daemon(StartLimitIntervalUSec="infinity"),
            ("SB103", "StartLimitBurst=5 within StartLimitIntervalSec=infinity, at RestartSec=5s"),
        ),
        (
            daemon(NeedDaemonReload="yes"),
            ("SB105", "a file of the unit has changed and is not loaded (NeedDaemonReload=yes)"),
        ),
        (
            replace(daemon(), unloaded=("/etc/systemd/system/api.service.d/new.conf",)),
            ("SB105", "not loaded as it is on the disk: /etc/systemd/system/api.service.d/new.conf"),
        ),
        (
            daemon(RestartUSec="1s", RestartSteps="5", RestartMaxDelayUSec="1min", StartLimitIntervalUSec="2min"),
            (
                "SB103",
                "StartLimitBurst=5 within StartLimitIntervalSec=2min, at RestartSec=1s, which rises to 1min in 5 steps",
            ),
        ),
        (daemon(UnitFileState="disabled"), ("SB107", "it is disabled")),
        (daemon(UnitFileState="enabled-runtime"), ("SB107", "it is enabled-runtime")),
        (daemon(UnitFileState="indirect"), ("SB107", "it is indirect, and nothing starts it at a boot")),
        (daemon(UnitFileState="static"), ("SB107", "it is static, and nothing starts it at a boot")),
        (daemon(UnitFileState=""), ("SB107", "it is transient")),
        (daemon(StandardError="null"), ("SB201", "StandardError=null")),
        (
            daemon(StandardOutput="append:/var/log/api", StandardError="append:/var/log/api"),
            ("SB201", "StandardOutput=append:/var/log/api, StandardError=append:/var/log/api"),
        ),
        (daemon(MemoryMax="infinity"), ("SB304", "MemoryMax=infinity")),
        (daemon(MemoryHigh="536870912"), ("SB305", "MemoryHigh=536870912 is not below MemoryMax=536870912")),
        (
            daemon(MemoryHigh="104857600", MemoryAnonymous="94500000"),
            ("SB305", "94500000 bytes of it are in no file, and it is held back at MemoryHigh=104857600"),
        ),
    ],
)
def test_one_property_away_from_the_baseline(unit: Unit, expected: tuple[str, str]) -> None:
    assert found(unit) == [expected]


@pytest.mark.parametrize(
    "unit",
    [
        daemon(StartLimitIntervalUSec="10s"),
        daemon(RestartUSec="2s", StartLimitIntervalUSec="10s"),
        daemon(RestartUSec="1s", RestartSteps="5", RestartMaxDelayUSec="1min", StartLimitIntervalUSec="10s"),
        daemon(RestartUSec="100ms", RestartSteps="5", RestartMaxDelayUSec="1min"),
        daemon(RestartUSec="1s", RestartSteps="2", RestartMaxDelayUSec="3s", StartLimitIntervalUSec="11s"),
        replace(daemon(UnitFileState="disabled"), pulled_in=frozenset({"api.service"})),
        replace(daemon(UnitFileState="enabled-runtime"), pulled_in=frozenset({"api.service"})),
        daemon(ActiveState="inactive", UnitFileState="disabled"),
        daemon(StandardOutput="inherit", StandardError="syslog"),
        daemon(MemoryHigh="268435456"),
        daemon(MemoryHigh="268435456", MemoryCurrent="[not set]"),
        replace(daemon(), restarts=2),
        replace(job(Restart="no"), files=(FILE, UnitFile("/etc/x.conf", "[Service]\nRestart = no\n", 9.0))),
        Unit("setup.service", {**JOB, "Restart": "no", "UnitFileState": "enabled"}, (FILE,)),
    ],
)
def test_what_is_fine(unit: Unit) -> None:
    assert found(unit) == []


def test_what_mends_a_daemon_that_counts_as_active_when_it_has_ended() -> None:
    service = {"RemainAfterExit": "no", "RestartPreventExitStatus": ""}
    (finding,) = judge(daemon(Restart="no", RemainAfterExit="yes", RestartPreventExitStatus="1"))
    assert finding.mend == {
        "stability_services": [{"name": "api", "restart": "always", "directives": {"Service": service}}]
    }
    (finding,) = judge(daemon(RemainAfterExit="yes"))
    service = {"RemainAfterExit": "no"}
    assert finding.mend == {"stability_services": [{"name": "api", "directives": {"Service": service}}]}
    path = "/etc/systemd/system/api.service.d/60-own.conf"
    foreign = replace(FILE, path=path, text="[Service]\nRemainAfterExit=yes\n")
    (finding,) = judge(replace(daemon(RemainAfterExit="yes"), files=(FILE, foreign)))
    assert finding.seen.endswith(f"; {path} has the last word") and finding.mend is None


@pytest.mark.parametrize(
    ("name", "state", "pulled_in", "told"),
    [
        ("nightly.timer", "disabled", False, "disabled"),
        ("nightly.timer", "disabled", True, ""),
        ("nightly.timer", "enabled", False, ""),
        ("nightly.timer", "enabled-runtime", False, "enabled-runtime"),
        ("nightly.timer", "static", False, "static, and nothing starts it at a boot"),
        ("nightly.timer", "static", True, ""),
        ("nightly.socket", "static", False, "static, and nothing starts it at a boot"),
        ("nightly.socket", "indirect", False, "indirect, and nothing starts it at a boot"),
        ("nightly.timer", "", False, "not there"),
    ],
)
def test_what_starts_a_unit_is_judged_as_the_unit_is(name: str, state: str, pulled_in: bool, told: str) -> None:
    started = frozenset({name} if pulled_in else ())
    unit = replace(job(), triggers={name: state}, pulled_in=started)
    assert found(unit) == ([("SB107", f"{name} is {told}")] if told else [])


NO_BOOT = "and what would start it, multiuser.target, no boot reaches"


@pytest.mark.parametrize(
    ("unit", "name", "seen", "wanted_by"),
    [
        (daemon(), "api.service", f"it is enabled, {NO_BOOT}", "multi-user.target"),
        (
            daemon(UnitFileState="disabled"),
            "api.service",
            f"it is disabled, {NO_BOOT}",
            "multi-user.target",
        ),
        (job(), "nightly.timer", f"nightly.timer is enabled, {NO_BOOT}", "timers.target"),
    ],
)
def test_a_unit_that_is_enabled_into_what_no_boot_reaches(unit: Unit, name: str, seen: str, wanted_by: str) -> None:
    (finding,) = judge(replace(unit, stranded={name: ("multiuser.target",)}))
    assert (finding.id, finding.seen) == ("SB107", seen)
    item = {"name": unit.service, "wanted_by": [wanted_by], "enabled": True}
    assert finding.mend == {"stability_services": [item]}
    (foreign,) = judge(
        replace(unit, files=(replace(FILE, text="[Service]\n"),), stranded={name: ("multiuser.target",)})
    )
    assert foreign.mend is None


def test_one_way_to_start_at_a_boot_is_enough() -> None:
    lost = {"api.service": ("multiuser.target",), "api.timer": ("timer.target",)}
    triggers = {"api.timer": "enabled", "api.socket": "enabled"}
    rules = [one for one, _seen in found(replace(daemon(RemainAfterExit="yes"), triggers=triggers, stranded=lost))]
    assert rules == ["SB101"]
    assert found(replace(daemon(ActiveState="inactive"), stranded=lost)) == []


@pytest.mark.parametrize("section", ["Unit", "Service"])
def test_a_limit_that_was_turned_off_under_its_old_name_is_only_told(section: str) -> None:
    text = f"[{section}]\nStartLimitInterval=0\n"
    (finding,) = judge(replace(daemon(), files=(replace(FILE, text=text),)))
    assert (finding.id, finding.severity) == ("SB104", "info")
    assert finding.seen == (
        "/etc/systemd/system/api.service: StartLimitInterval= is the old name of StartLimitIntervalSec=, which belongs into [Unit]"
    )


def test_each_diagnostic_of_systemd_is_a_finding() -> None:
    lines = ("api.service:9: Unknown key 'Restrat' in section [Service], ignoring.", "api.service:10: bad")
    assert found(replace(daemon(), diagnostics=lines)) == [("SB104", lines[0]), ("SB104", lines[1])]


@pytest.mark.parametrize(
    ("line", "severity"),
    [
        ("Special user nobody configured, this is not safe!", "info"),
        ("Standard output type syslog is obsolete, automatically updating to journal. Please update your unit", "info"),
        (
            "PIDFile= references a path below legacy directory /var/run/, updating /var/run/x.pid \u2192 /run/x.pid; "
            "please update the unit file accordingly.",
            "info",
        ),
        (
            "Unit uses MemoryLimit=; please use MemoryMax= instead. Support for MemoryLimit= will be removed soon.",
            "info",
        ),
        ("Unit uses KillMode=none. This is unsafe, as it disables systemd's process lifecycle management", "info"),
        ("Unit configured to use KillMode=none. This is unsafe, as it disables systemd's process", "info"),
        (
            "Configuration file x is marked executable. Please remove executable permission bits. Proceeding anyway.",
            "info",
        ),
        ("Support for option MemoryLimit= has been removed and it is ignored", ""),
        ("Standard output type x is obsolete, ignoring: syslog", ""),
        ("Unknown section 'Servce'. Ignoring.", ""),
        ("Neither a valid executable name nor an absolute path: please/run", ""),
        ("Unit configuration has fatal error, unit will not be started.", ""),
        ("Command /opt/please/run is not executable: No such file or directory", ""),
        ("Service has no ExecStart=, ExecStop=, or SuccessAction=. Refusing.", ""),
    ],
)
def test_what_systemd_only_advises_against_is_told(line: str, severity: str) -> None:
    for path in (FILE.path, "/etc/systemd/system/failed-please.service"):
        unit = replace(daemon(), files=(replace(FILE, path=path, text=f"{FILE.text}[Service]\nUser=nobody\n"),))
        (finding,) = judge(replace(unit, diagnostics=(f"{path}:3: {line}",)))
        assert (finding.id, finding.severity) == ("SB104", severity)


def test_a_process_that_is_older_than_its_unit() -> None:
    changed = UnitFile("/etc/systemd/system/api.service.d/other.conf", "", age=60)
    ours = UnitFile("/etc/systemd/system/api.service.d/50-stability.conf", HEADER, age=60)
    assert found(replace(daemon(), files=(FILE, ours))) == []
    assert found(replace(daemon(), files=(FILE, changed, ours))) == [
        ("SB105", f"the process is older than {changed.path}")
    ]


@pytest.mark.parametrize(
    ("process", "looping"),
    [
        (replace(PROCESS, workers=(Worker(12, 900.0), Worker(13, 5.0)), deaths=2), True),
        (replace(PROCESS, workers=(Worker(12, 5.0),), deaths=1), True),
        (replace(PROCESS, workers=(), deaths=1), True),
        # One that has served its number of requests, beside others.
        (replace(PROCESS, workers=(Worker(12, 900.0), Worker(13, 5.0)), deaths=1), False),
        (replace(PROCESS, workers=(Worker(12, 5.0),), spent_by_dead=400.0), False),
        (replace(PROCESS, workers=()), False),
    ],
)
def test_workers_that_die_under_a_living_master(process: Process, looping: bool) -> None:
    unit = replace(daemon(), files=(replace(FILE, age=process.age + 1),), process=process)
    # Whether they have failed or done their work cannot be told.
    found_there = [(finding.id, finding.severity) for finding in judge(unit)]
    assert found_there == ([("SB106", "warning")] if looping else [])


@pytest.mark.parametrize("process", [None, replace(PROCESS, age=5.0, workers=())])
def test_a_unit_that_systemd_restarts_again_and_again(process: Any) -> None:
    looping = replace(daemon(ActiveState="activating"), restarts=17, process=process, files=(replace(FILE, age=9.0),))
    assert found(looping) == [("SB106", "17 restarts within 10 minutes, and it says activating")]
    # One that was mended a minute ago.
    assert found(replace(looping, process=replace(PROCESS, age=61.0, workers=()), files=(FILE,))) == []


@pytest.mark.parametrize(
    ("argv", "variables", "lost"),
    [
        (["python", "-m", "api"], {}, True),
        (["python", "app.py", "-u"], {}, True),
        (["python", "-c", "pass", "-u"], {}, True),
        (["python", "-u", "app.py"], {}, False),
        (["python", "-Bu", "-m", "api"], {}, False),
        (["python", "-X", "faulthandler", "-W", "ignore", "-u", "app.py"], {}, False),
        (["python", "-Xutf8", "app.py"], {}, True),
        (["python", "-mu", "-u"], {}, True),
        (["python", "-I", "app.py"], {"PYTHONUNBUFFERED": "1"}, True),
        (["python", "-Iu", "app.py"], {}, False),
        (["python", "-m", "api"], {"PYTHONUNBUFFERED": "0"}, True),
        (["python", "-m", "api"], {"PYTHONUNBUFFERED": "x"}, False),
        (["python", "-m", "api"], {"PYTHONUNBUFFERED": ""}, True),
        (["python", "-m", "api"], None, False),
    ],
)
def test_output_that_is_buffered(argv: list[str], variables: Any, lost: bool) -> None:
    unit = replace(daemon(), process=replace(PROCESS, argv=tuple(argv), variables=variables))
    assert [finding.id for finding in judge(unit)] == (["SB202"] if lost else [])


@pytest.mark.parametrize(("program", "mends"), [("/usr/bin/timeout", True), ("/usr/bin/sudo", False)])
def test_a_variable_that_does_not_get_there_mends_nothing(program: str, mends: bool) -> None:
    process = replace(PROCESS, argv=("python", "app.py"), variables={})
    (finding,) = judge(replace(daemon(), process=process, programs=(program,)))
    assert (finding.id, finding.mend is not None) == ("SB202", mends)


@pytest.mark.parametrize(("options", "option"), [("-I", "I"), ("-E", "E"), ("-Es", "E"), ("-sBE", "E")])
def test_a_variable_that_python_ignores_mends_nothing(options: str, option: str) -> None:
    process = replace(PROCESS, argv=("python", options, "app.py"), variables={"PYTHONUNBUFFERED": "1"})
    (finding,) = judge(replace(daemon(), process=process))
    seen = f"the process has no -u, and under its option -{option} PYTHONUNBUFFERED has no effect"
    assert (finding.id, finding.seen, finding.mend) == ("SB202", seen, None)


LOG = "/var/log/api.log"


@pytest.mark.parametrize(
    ("unit", "astray", "seen"),
    [
        (daemon(), {}, ""),
        (
            daemon(),
            {"StandardOutput": LOG, "StandardError": LOG},
            f"standard output of the process goes to {LOG}, standard error of the process goes to {LOG}",
        ),
        (daemon(), {"StandardError": "/dev/null"}, "standard error of the process goes to /dev/null"),
        (daemon(), {"StandardOutput": LOG}, f"standard output of the process goes to {LOG}"),
        # What systemd was told to do is told once.
        (daemon(StandardError="null"), {"StandardError": "/dev/null"}, "StandardError=null"),
        (
            daemon(StandardError="null"),
            {"StandardOutput": LOG, "StandardError": "/dev/null"},
            f"StandardError=null, standard output of the process goes to {LOG}",
        ),
        (job(), {"StandardOutput": "/srv/export.csv"}, ""),
        (job(), {"StandardError": LOG}, f"standard error of the process goes to {LOG}"),
    ],
)
def test_output_that_a_shell_has_redirected(unit: Unit, astray: dict[str, str], seen: str) -> None:
    running = replace(unit, process=replace(PROCESS, astray=astray))
    assert found(running) == ([("SB201", seen)] if seen else [])
    mends = [finding.mend for finding in judge(running)]
    assert all((mend is not None) is ("StandardError=" in seen) for mend in mends)


def test_below_a_shell_that_counts_of_which_the_rule_speaks() -> None:
    # A loop in a script has started its Python again a second ago, and itself an hour ago.
    process = replace(PROCESS, age=1.0, shell=3600.0, workers=())
    changed = replace(daemon(), files=(replace(FILE, age=60.0),), process=process)
    assert found(changed) == [("SB105", f"the process is older than {FILE.path}")]
    assert found(replace(daemon(), restarts=17, process=process)) == []
    assert found(replace(daemon(), restarts=17, process=replace(process, shell=5.0))) != []


def test_each_rule_about_units_is_described_and_each_description_is_whole() -> None:
    assert set(FUNCTIONS) <= set(BY_ID)
    for rule in RULES:
        assert all(getattr(rule, name) for name in ("title", "reason", "evidence", "experiment", "remedy")), rule.id
        assert not rule.title.endswith(".") and rule.reason.endswith("."), rule.id


@pytest.mark.parametrize("text", [HEADER, "[Service]\n"])
def test_what_mends_somebody_elses_unit_is_a_drop_in(text: str) -> None:
    (finding,) = judge(replace(daemon(Restart="no"), files=(replace(FILE, text=text),)))
    drop_in = {} if text == HEADER else {"drop_in": True}
    assert finding.result()["mend"] == {"stability_services": [{"name": "api", **drop_in, "restart": "always"}]}
    assert finding.result()["severity"] == "error"


def drop_in(path: str, text: str) -> UnitFile:
    return UnitFile(path, f"[Service]\n{text}\n", 7200.0)


@pytest.mark.parametrize(
    ("name", "text", "path"),
    [
        ("override.conf", "Restart=on-failure", "{}/override.conf"),
        ("override.conf", "  RestartSec = 9s", "{}/override.conf"),
        ("override.conf", "RestartSteps=3", ""),
        ("10-first.conf", "Restart=on-failure", ""),
    ],
)
def test_no_line_mends_what_somebody_elses_drop_in_says_last(name: str, text: str, path: str) -> None:
    folder = "/etc/systemd/system/api.service.d"
    theirs = replace(FILE, text="[Service]\nRestart=no\n")
    unit = replace(daemon(Restart="on-failure"), files=(theirs, drop_in(f"{folder}/{name}", text)))
    (finding,) = judge(unit)
    assert finding.seen == "Restart=on-failure" + (f"; {path.format(folder)} has the last word" if path else "")
    assert (finding.mend is None) == bool(path)
    ours = replace(unit, files=(replace(FILE, text=HEADER), unit.files[1]))
    assert ("has the last word" in judge(ours)[0].seen) == ("Steps" not in text)


def test_what_the_bus_starts_is_meant_to_end_and_needs_no_boot() -> None:
    unit = replace(daemon(Restart="no", UnitFileState="static"), is_on_bus=True)
    assert found(unit) == []
    assert found(replace(unit, properties={**unit.properties, "UnitFileState": "enabled"})) == [("SB101", "Restart=no")]


def test_what_is_no_python_has_no_buffer_of_python() -> None:
    process = replace(PROCESS, argv=("/bin/sleep", "infinity"), variables={})
    assert [one for one, _seen in found(replace(daemon(), process=process))] == ["SB202"]
    assert found(replace(daemon(), process=replace(process, is_python=False))) == []


@pytest.mark.parametrize(("unit", "rules"), [(daemon, ["SB201"]), (job, [])])
def test_the_output_of_a_job_may_be_a_file(unit: Any, rules: list[str]) -> None:
    assert [one for one, _seen in found(unit(StandardOutput="append:/srv/report.csv"))] == rules
    assert [one for one, _seen in found(unit(StandardError="append:/srv/report.log"))] == ["SB201"]


def test_what_a_timer_starts_is_a_job_whatever_its_type() -> None:
    simple = Unit("backup.service", {**DAEMON, "Restart": "no"}, (FILE,), triggers={"backup.timer": "enabled"})
    assert (simple.is_job, simple.is_daemon) == (True, False)
    assert found(simple) == [("SB101", "Restart=no, of a job")]
    stays_up = replace(simple, properties={**simple.properties, "RemainAfterExit": "yes"})
    assert (stays_up.is_job, stays_up.is_daemon) == (False, True)


@pytest.mark.parametrize(
    ("text", "line", "shown"),
    [
        (
            '[Service]\nEnvironment="GOOD=1" \\\n"DB_PASSWORD=hunter2\n',
            '{path}:3: Invalid syntax, ignoring: "GOOD=1"   "DB_PASSWORD=hunter2',
            "{path}:3: Environment= with a value that is not shown",
        ),
        (
            # systemd leaves out comments between the lines.
            '[Service]\nEnvironment=A=1 \\\n# more\n  ; more\\\n"DB_PASSWORD=hunter2\n',
            '{path}:5: Invalid syntax, ignoring: A=1  "DB_PASSWORD=hunter2',
            "{path}:5: Environment= with a value that is not shown",
        ),
        (
            "[Service]\nEnvironment=A=1 \\\n# more\nfoo-bar=hunter2\n",
            "{path}:4: Invalid environment assignment, ignoring: foo-bar=hunter2",
            "{path}:4: Environment= with a value that is not shown",
        ),
        (
            "[Service]\nEnvironment=A=1 \\\nB=hunter2 \\\n# the end",
            "{path}:4: Invalid environment assignment, ignoring: B=hunter2",
            "{path}:4: Environment= with a value that is not shown",
        ),
        (
            "[Service]\nEnvironment=A=1\n# more\nfoo-bar=hunter2\n",
            "{path}:4: Invalid environment assignment, ignoring: foo-bar=hunter2",
            "{path}:4: Invalid environment assignment, ignoring: a value that is not shown",
        ),
        (
            # Two backslashes are one, and no end of a line.
            "[Service]\nX=\\\\\nEnvironment=A=1 hunter2\n",
            "{path}:3: Invalid environment assignment, ignoring: hunter2",
            "{path}:3: Environment= with a value that is not shown",
        ),
        (
            "[Service]\nLogExtraFields=TOKEN:hunter2\n",
            "{path}:2: bad, ignoring: hunter2",
            "{path}:2: LogExtraFields= with a value that is not shown",
        ),
        (
            "[Service]\nhunter2\n",
            "{path}:2: Missing '=', ignoring: hunter2",
            "{path}:2: Missing '=', ignoring: a value that is not shown",
        ),
        ("", "/nowhere:2: bad, ignoring: hunter2", "/nowhere:2: bad, ignoring: a value that is not shown"),
        ("", "/nowhere:2: Executable is not absolute: hunter2", "/nowhere:2: a value that is not shown"),
        (
            "",
            "/nowhere:2: Failed to resolve unit specifiers in 'TOKEN=hunter2', ignoring: Invalid slot",
            "/nowhere:2: Failed to resolve unit specifiers in a value that is not shown",
        ),
        ("", "api.service: Cannot add dependency", "api.service: Cannot add dependency"),
        (
            "[Service]\nMemoryMax=512 MB\n",
            "{path}:2: Failed to parse, ignoring: 512 MB",
            "{path}:2: Failed to parse, ignoring: 512 MB",
        ),
    ],
)
def test_a_diagnostic_shows_no_secret_of_the_line_that_it_quotes(text: str, line: str, shown: str) -> None:
    file = replace(FILE, text=text)
    unit = replace(daemon(), files=(file,), diagnostics=(line.format(path=file.path),))
    assert [seen for identifier, seen in found(unit) if identifier == "SB104"] == [shown.format(path=file.path)]
    later = replace(unit, files=(FILE,), unread=(replace(file, path="/etc/later.conf"),))
    later = replace(later, diagnostics=(line.format(path="/etc/later.conf"),))
    assert [seen for identifier, seen in found(later) if identifier == "SB104"] == [
        shown.format(path="/etc/later.conf")
    ]
