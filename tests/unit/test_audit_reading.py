# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What systemd's tools print, told apart by unit."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.stability.baseline.plugins.module_utils import audit_reading
from ansible_collections.stability.baseline.plugins.module_utils.audit_reading import (
    Started,
    diagnostics_of,
    is_python_service,
    paths_of,
    present,
    programs_in,
    verifiable,
    without_further_connections,
)

PRINTED = """\
/etc/systemd/system/api.service:7: Unknown key name 'StartLimitIntervalSec' in section 'Service', ignoring.
/etc/systemd/system/web.service.d/limit.conf:2: Failed to parse MemoryMax= value, ignoring: 512 MB
web.service: Command /opt/web/run is not executable: Permission denied
other.service: Something else
/etc/systemd/system/api.service:7: Unknown key name 'StartLimitIntervalSec' in section 'Service', ignoring.
"""


def test_diagnostics_are_those_of_the_unit_or_of_a_file_of_it() -> None:
    assert diagnostics_of(PRINTED, {"api.service": [], "web.service": [], "b.service": []}) == {
        "api.service": (
            "/etc/systemd/system/api.service:7: Unknown key name 'StartLimitIntervalSec' in section 'Service', ignoring.",
        ),
        "web.service": (
            "/etc/systemd/system/web.service.d/limit.conf:2: Failed to parse MemoryMax= value, ignoring: 512 MB",
            "web.service: Command /opt/web/run is not executable: Permission denied",
        ),
        "b.service": (),
    }


UNITS = "/etc/systemd/system"


@pytest.mark.parametrize(
    ("file", "units"),
    [
        ("tmpl@.service", ["tmpl@a.service", "tmpl@b.service"]),
        ("top-.service.d/a.conf", ["top-one.service"]),
        ("service.d/all.conf", ["tmpl@a.service", "tmpl@b.service", "top-one.service"]),
        ("top-one.service.d/20 with space.conf", ["top-one.service"]),
        ("top-one.service.d/new.conf", ["top-one.service"]),
        ("other.service", []),
    ],
)
def test_diagnostics_are_those_of_each_unit_that_has_the_file(file: str, units: list[str]) -> None:
    of_all = f"{UNITS}/service.d/all.conf"
    spaced = f"{UNITS}/top-one.service.d/20 with space.conf"
    files = {
        "tmpl@a.service": [f"{UNITS}/tmpl@.service", of_all],
        "tmpl@b.service": [f"{UNITS}/tmpl@.service", of_all],
        "top-one.service": [f"{UNITS}/top-one.service", f"{UNITS}/top-.service.d/a.conf", of_all, spaced],
    }
    line = f"{UNITS}/{file}:2: Unknown key 'Nope' in section [Service], ignoring."
    assert diagnostics_of(f"{line}\n", files) == {unit: (line,) if unit in units else () for unit in files}


@pytest.mark.parametrize(
    ("unit", "name"),
    [
        ("api.service", "api.service"),
        ("-h.service", "-h.service"),
        ("tmpl@a.service", "tmpl@a.service"),
        ("conn@0-127.0.0.1:80-127.0.0.1:4711.service", "conn@.service"),
        ("a:b.service", ""),
    ],
)
def test_systemd_analyze_takes_no_name_with_a_colon(unit: str, name: str) -> None:
    assert verifiable(unit) == name


@pytest.mark.parametrize(
    ("fragment", "drop_ins", "paths"),
    [
        ("", "", []),
        (
            "/a/api.service",
            "/a/api.service.d/1.conf /a/2.conf",
            ["/a/api.service", "/a/api.service.d/1.conf", "/a/2.conf"],
        ),
        # Not a list, so systemctl prints it as it is.
        ("/a/we\\x2drd.service", "", ["/a/we\\x2drd.service"]),
        ("/a/b.service", '"/a/20 with space.conf" /a/3.conf', ["/a/b.service", "/a/20 with space.conf", "/a/3.conf"]),
    ],
)
def test_paths_of_a_unit(fragment: str, drop_ins: str, paths: list[str]) -> None:
    assert paths_of({"FragmentPath": fragment, "DropInPaths": drop_ins}) == paths


def test_programs_are_told_apart_whatever_the_words_of_a_command_hold() -> None:
    printed = (
        "ExecStart={ path=/lib/systemd/systemd-journald ; argv[]=/lib/systemd/systemd-journald ; pid=0 }\nId=systemd-journald.service\n\n"
        "Id=before.service\n\n"
        "ExecStart={ path=/usr/bin/python3 ; argv[]=/usr/bin/python3 -c a\n\nb\nno_property ; ignore_errors=no ; pid=0 }\n"
        "Id=api.service\n"
        "\n"
        "Id=gone.service\n"
        "\n"
        "ExecStart={ path=/opt/one ; argv[]=/opt/one ; ignore_errors=no ; pid=0 }\n"
        "ExecStart={ path=/opt/two ; argv[]=/opt/two { path=/x ; argv[]=y } ; ignore_errors=no ; pid=0 }\n"
        "Id=setup.service\n"
    )
    programs = [[], ["/usr/bin/python3"], [], ["/opt/one", "/opt/two"]]
    found = programs_in(printed)
    assert [[one.program for one in unit] for unit in found] == programs
    assert found[1][0].shown == "/usr/bin/python3 -c a\n\nb\nno_property"
    # systemd 262 prints Id first.
    first = (
        "Id=systemd-journald.service\nExecStart={ path=/lib/systemd/systemd-journald ; argv[]=x ; pid=0 }\n\n"
        "Id=before.service\n\n"
        "Id=api.service\nExecStart={ path=/usr/bin/python3 ; argv[]=/usr/bin/python3 -c a\n\nb ; pid=0 }\n\n"
        "Id=gone.service\n\n"
        "Id=setup.service\nExecStart={ path=/opt/one ; argv[]=/opt/one ; pid=0 }\nExecStart={ path=/opt/two ; argv[]= ; pid=0 }\n"
    )
    assert [[one.program for one in unit] for unit in programs_in(first)] == programs
    # A word with such a line ends what is seen of a command.
    (cut,) = programs_in(first.partition("\n\nId=before")[0].replace("argv[]=x", "argv[]=x\nId=y"))
    assert cut == []


@pytest.mark.parametrize(
    ("state", "running", "is_one"),
    [
        ({"LoadState": "loaded"}, True, True),
        ({"LoadState": "not-found"}, True, True),
        ({"LoadState": "masked"}, True, True),
        ({"LoadState": "bad-setting"}, True, True),
        ({"LoadState": "not-found"}, False, False),
        # What would be started.
        ({"LoadState": "loaded"}, None, True),
        ({"LoadState": "bad-setting"}, None, True),
        ({"LoadState": "not-found"}, None, False),
        ({"LoadState": "masked"}, None, False),
    ],
)
def test_whatever_runs_a_python_is_audited(
    monkeypatch: pytest.MonkeyPatch, state: dict[str, str], running: bool | None, is_one: bool
) -> None:
    monkeypatch.setattr(audit_reading, "runs_python", lambda _pid: running)
    monkeypatch.setattr(audit_reading, "pythons_below", lambda _pid, _pids: [])
    shown = {"MainPID": "11", "Type": "exec", **state}
    assert is_python_service(shown, [Started("/usr/bin/python3", "")]) is is_one


@pytest.mark.parametrize(
    ("pid", "running", "kind", "is_looked_behind"),
    [
        ("0", None, "exec", True),
        ("11", False, "exec", False),
        ("11", None, "exec", True),
        ("11", None, "oneshot", False),
    ],
)
def test_what_a_shell_would_start_counts_where_no_process_shows_it(
    monkeypatch: pytest.MonkeyPatch, pid: str, running: bool | None, kind: str, is_looked_behind: bool
) -> None:
    monkeypatch.setattr(audit_reading, "runs_python", lambda _pid: running)
    shell = Started("/bin/sh", "/bin/sh -c exec /opt/venv/bin/python -m app")
    found = audit_reading._with_scripts({"api.service": [shell]}, {"api.service": {"MainPID": pid, "Type": kind}})
    assert ("/opt/venv/bin/python" in [one.program for one in found["api.service"]]) is is_looked_behind


@pytest.mark.parametrize(
    ("loaded", "command", "is_one", "told"),
    [
        ("bad-setting", "python3x/app.py", True, False),
        ("bad-setting", "/bin/sh -c true", False, False),
        ("bad-setting", "bin/serve", False, True),
        ("error", "", False, True),
        ("loaded", "python3x/app.py", False, False),
    ],
)
def test_what_systemd_refuses_to_load_is_known_by_its_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, loaded: str, command: str, is_one: bool, told: bool
) -> None:
    path = tmp_path / "api.service"
    path.write_text(f"[Service]\nExecStart={command}\n")
    state = {"LoadState": loaded, "FragmentPath": str(path), "DropInPaths": "", "MainPID": "0"}
    monkeypatch.setattr(audit_reading.systemd, "show", lambda _units, _properties: {"api.service": state})
    unseen: list[str] = []
    monkeypatch.setattr(audit_reading, "runs_python", lambda _pid: False)
    running = {"api.service": {**state, "MainPID": "11", "Type": "exec", "ControlGroup": "/nowhere"}}
    assert audit_reading._python_services(running, {"api.service": []}, unseen) == {} and unseen == []
    programs = audit_reading._with_refused({"api.service": []}, {"api.service": state})
    assert list(audit_reading._python_services({"api.service": state}, programs, unseen)) == (
        ["api.service"] if is_one else []
    )
    why = f"whether api.service is a Python service (LoadState={loaded}, and its program is not there)"
    assert unseen == ([why] if told else [])


@pytest.mark.parametrize(
    ("loaded", "active", "unseen"),
    [
        ("loaded", "inactive", ""),
        ("bad-setting", "inactive", ""),
        ("not-found", "active", ""),
        ("masked", "activating", ""),
        ("not-found", "inactive", "api.service (there is no such unit)"),
        ("masked", "inactive", "api.service (it is masked, and does not run)"),
        ("masked", "failed", "api.service (it is masked, and does not run)"),
    ],
)
def test_a_unit_of_which_there_is_nothing_is_told(loaded: str, active: str, unseen: str) -> None:
    told: list[str] = []
    states = {"api.service": {"LoadState": loaded, "ActiveState": active}}
    assert present(states, told) == ({} if unseen else states)
    assert told == ([unseen] if unseen else [])


def test_of_the_connections_of_a_socket_there_is_one() -> None:
    states = {
        "conn@0-a.service": {"TriggeredBy": "conn.socket"},
        "conn@1-b.service": {"TriggeredBy": "conn.socket"},
        "web@1.service": {"TriggeredBy": "web@1.socket"},
        "web@2.service": {"TriggeredBy": "web@2.socket"},
        "api.service": {"TriggeredBy": "conn.socket api.timer"},
        "plain.service": {},
    }
    waiting = {"Accept": "no"}
    triggers = {"conn.socket": {"Accept": "yes"}, "web@1.socket": waiting, "web@2.socket": waiting, "api.timer": {}}
    assert list(without_further_connections(states, triggers)) == [
        *("conn@0-a.service", "web@1.service", "web@2.service", "api.service", "plain.service")
    ]
