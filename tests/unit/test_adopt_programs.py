# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs of supervisord and lines of crontabs as members of the list, and names that two of them would have."""

from __future__ import annotations

import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.stability.baseline.plugins.module_utils.adopt_cron import lines_in
from ansible_collections.stability.baseline.plugins.module_utils.adopt_cron import services_of as jobs_of
from ansible_collections.stability.baseline.plugins.module_utils.adopt_model import Found, Item, free_name, service_name
from ansible_collections.stability.baseline.plugins.module_utils.adopt_run import name_apart
from ansible_collections.stability.baseline.plugins.module_utils.adopt_shell import (
    Command,
    NeedsShell,
    parse_command,
    parse_script,
)
from ansible_collections.stability.baseline.plugins.module_utils.adopt_started import started_by
from ansible_collections.stability.baseline.plugins.module_utils.adopt_supervisor import (
    Configuration,
    Unexpandable,
    configuration_files,
    read_configuration,
    services_of,
    variables_in,
)
from ansible_collections.stability.baseline.plugins.module_utils.adopt_supervisors import (
    Inherited,
    inherited_from,
    supervisors,
)
from ansible_collections.stability.baseline.plugins.module_utils.audit_model import Unit, UnitFile
from ansible_collections.stability.baseline.plugins.module_utils.services import parse_services
from hypothesis import given
from hypothesis import strategies as st

PATH = "/usr/bin:/bin"
PYTHON = sys.executable


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('/bin/sh -x \'a b\' "c \\"d"', Command(["/bin/sh", "-x", "a b", 'c "d'], "/home")),
        ("sh a", Command(["/usr/bin/sh", "a"], "/home")),
        ("./run", Command(["/home/run"], "/home")),
        ("cd /srv && bin/run x", Command(["/srv/bin/run", "x"], "/srv")),
        ("A=1 B='2 3' exec /bin/sh", Command(["/bin/sh"], "/home", {"A": "1", "B": "2 3"})),
        ("PATH=/none:/bin sh", Command(["/bin/sh"], "/home", {"PATH": "/none:/bin"})),
        ("/bin/sh >> /var/log/a 2>&1", Command(["/bin/sh"], "/home", {}, ["/var/log/a"])),
        ("/bin/sh > /dev/null 2>/var/log/b", Command(["/bin/sh"], "/home", {}, ["/var/log/b"])),
        ("/bin/sh </dev/null # no", Command(["/bin/sh"], "/home")),
        ("/bin/sh a\\ b '#'", Command(["/bin/sh", "a b", "#"], "/home")),
        (
            ". /v/bin/activate && sh",
            Command(["/usr/bin/sh"], "/home", {"VIRTUAL_ENV": "/v", "PATH": f"/v/bin:{PATH}"}),
        ),
    ],
)
def test_a_command_line_that_is_one_program(text: str, expected: Command) -> None:
    assert parse_command(text, "/home", PATH) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("/bin/sh $HOME", "/bin/sh `x`", "/bin/sh *.py", "/bin/sh ~/x", '/bin/sh "$A"', "/bin/sh a?", "/bin/sh [a]"),
        *(
            "/bin/sh | x",
            "/bin/sh; x",
            "/bin/sh || x",
            "/bin/sh &",
            "(/bin/sh)",
            "/bin/sh < /x",
            "/bin/sh 'a",
            "/bin/sh >",
        ),
        *(
            "x && /bin/sh",
            "cd a && /bin/sh",
            "&& /bin/sh",
            "if true; then /bin/sh; fi",
            "export A=1",
            "",
            "nowhere-at-all",
        ),
        *("/bin/sh &> /x", '/bin/sh "a'),
    ],
)
def test_a_command_line_that_only_a_shell_can_run(text: str) -> None:
    with pytest.raises(NeedsShell):
        parse_command(text, "/home", PATH)


@given(st.lists(st.text(st.characters(min_codepoint=1, max_codepoint=0x2FF), max_size=8), max_size=4))
def test_what_is_quoted_is_one_word(arguments: list[str]) -> None:
    text = shlex.join(["/bin/sh", *arguments])
    assert parse_command(text, "", PATH).argv == ["/bin/sh", *arguments]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"{PYTHON} x", True),
        ("/opt/none/bin/python3.11 x", True),
        (f"cd / && {PYTHON} x | logger", True),
        (f"timeout 5 {PYTHON} x", True),
        (f"su web -c '{PYTHON} x'", True),
        (f"setpriv --reuid=web {PYTHON} x", True),
        (f"sh -c '{PYTHON} x'", True),
        (f"[ -x /a ] && {PYTHON}", True),
        ("run-parts --report /etc/cron.hourly", False),
        ("/bin/sh x; /bin/ls", False),
        ("cat python.txt", False),
        ("", False),
    ],
)
def test_which_lines_run_python(text: str, expected: bool) -> None:
    assert started_by(text, "/", PATH).is_python is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("#!/bin/sh\n# it\nset -eu\n/bin/sh a\n", Command(["/bin/sh", "a"], "/home")),
        ("#!/bin/bash -e\nset -euo pipefail\ncd /srv || exit 1\n\n./run \\\n  b\n", Command(["/srv/run", "b"], "/srv")),
        ("#!/bin/sh\ncd /srv\nexport A=1\n/bin/sh\n", Command(["/bin/sh"], "/srv", {"A": "1"})),
        (
            "#!/usr/bin/env bash\nexport A=1 B='2 3'\nexec sh\n",
            Command(["/usr/bin/sh"], "/home", {"A": "1", "B": "2 3"}),
        ),
        (
            "#!/bin/sh\n. /v/bin/activate\nsh\n",
            Command(["/usr/bin/sh"], "/home", {"VIRTUAL_ENV": "/v", "PATH": f"/v/bin:{PATH}"}),
        ),
    ],
)
def test_a_script_that_starts_one_program(text: str, expected: Command) -> None:
    assert parse_script(text, "/home", PATH) == expected


@pytest.mark.parametrize(
    "text",
    [
        "#!/usr/bin/python3\nsh\n",
        "#!/bin/bash -l\nsh\n",
        "#!/bin/sh\nulimit -n 5\nsh\n",
        '#!/bin/sh\ncd "$(dirname "$0")"\nsh\n',
        '#!/bin/sh\nsh "$@"\n',
        "#!/bin/sh\nexport A=$HOME\nsh\n",
        "#!/bin/sh\nA=1\nsh\n",
        "#!/bin/sh\n. /v/bin/activate\nexport A=1\nsh\n",
        "#!/bin/sh\n/bin/sh a &\nwait\n",
        "#!/bin/sh\n/bin/sh a\n/bin/sh b\n",
    ],
)
def test_a_script_that_does_more(text: str) -> None:
    with pytest.raises(NeedsShell):
        parse_script(text, "/home", PATH)


def jobs(text: str, user: str = "", known: dict[str, str] | None = None) -> Found:
    return jobs_of(lines_in(text, "/etc/cron.d/shop", user), {} if known is None else known)


def test_a_crontab_is_taken_apart():
    text = "# no\nA = 'b c'\n MAILTO=\"\"\n\n0 5 * * *\troot  /bin/x a\n@daily web /bin/y\nB=1\nnonsense\n1 2 3 4 5 z\n"
    found = [(line.number, line.user, line.schedule, line.command, line.variables) for line in lines_in(text, "/c", "")]
    assert found == [
        (5, "root", "0 5 * * *", "/bin/x a", {"A": "b c", "MAILTO": ""}),
        (6, "web", "@daily", "/bin/y", {"A": "b c", "MAILTO": ""}),
        (9, "z", "1 2 3 4 5", "", {"A": "b c", "MAILTO": "", "B": "1"}),
    ]
    assert [line.user for line in lines_in("0 0 * * * /bin/x\n", "/c", "web")] == ["web"]


def test_a_line_is_a_job():
    text = f"ROLE=x\nTOKEN=hunter2\n30 4 1 * 5 web cd /srv && {PYTHON} -m reports.sales --all >> /var/log/s 2>&1\n"
    (item,) = jobs(text).items
    parse_services([item.values])
    assert item.values == {
        "name": "reports-sales",
        "user": "web",
        "exec_start": [PYTHON, "-m", "reports.sales", "--all"],
        "on_calendar": ["*-*-01 04:30:00", "Fri *-*-* 04:30:00"],
        "working_directory": "/srv",
        "environment": {"ROLE": "x", "TOKEN": "{{ vault_reports_sales_token }}"},
    }
    assert item.marks == [
        "take this line out of /etc/cron.d/shop once this is applied: until then it runs twice",
        "a run that failed is tried again; write retries: 0, if it must not run twice",
        "its output went to /var/log/s; now it goes to the journal",
        "cron starts it in the home folder of web, which is not there",
        "give a value to vault_reports_sales_token (ansible-vault), or put the secret into environment_files or credentials",
    ]


def test_a_line_that_needs_its_shell():
    (item,) = jobs(f"SHELL=/bin/bash\n* * * * * web {PYTHON} x.py \\% | logger > /tmp/x\n").items
    assert item.values["exec_start"] == ["/bin/bash", "-c", f"{PYTHON} x.py % | logger > /tmp/x"]
    assert item.values["directives"] == {"Timer": {"AccuracySec": "1s"}}
    assert any("a shell is needed" in mark for mark in item.marks)
    assert "what it writes to files by > does not get to the journal" in item.marks


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"@reboot web {PYTHON} x", "@reboot is no time"),
        (f"0 0 * * 9 web {PYTHON} x", "9 is no day of the week"),
        (f"0 0 * * * web {PYTHON} x%hello", "a % hands text to its standard input"),
    ],
)
def test_lines_that_cannot_be_decided(text: str, said: str) -> None:
    found = jobs(f"\n{text}\n")
    assert found.items == []
    assert [(mark.subject, said in mark.text) for mark in found.marks] == [("/etc/cron.d/shop:2", True)]


def test_lines_without_python_are_no_jobs():
    assert jobs("17 * * * * root run-parts /etc/cron.hourly\n0 0 * * * root /bin/sh x\n") == Found()


def test_services_of_one_name_do_not_get_each_others_secrets():
    known: dict[str, str] = {}
    both = [jobs(f"TOKEN={value}\n0 0 * * * web {PYTHON} /a/x.py\n", known=known).items[0] for value in ("a", "b", "a")]
    assert [item.values["environment"]["TOKEN"] for item in both] == [
        "{{ vault_x_token }}",
        "{{ vault_x_token_2 }}",
        "{{ vault_x_token }}",
    ]


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (f"{PYTHON} /srv/clean_up.py x", "clean_up"),
        (f"{PYTHON} /srv/manage.py clearsessions", "manage-clearsessions"),
        (f"{PYTHON} -c 'print(1)'", "shop"),
        (f"{PYTHON} -m a.b", "a-b"),
        (f"/usr/bin/flock -n /run/x.lock {PYTHON} /srv/clean_up.py x", "clean_up"),
        (f"/usr/bin/flock -n /run/x.lock /usr/bin/timeout 60 {PYTHON} -m a.b", "a-b"),
        (f"/usr/bin/timeout 60 {PYTHON} -c 'print(1)'", "shop"),
    ],
)
def test_names_of_jobs(command: str, expected: str) -> None:
    assert jobs(f"0 0 * * * web {command}\n").items[0].values["name"] == expected


def configuration(text: str, tmp_path: Path) -> Configuration:
    path = tmp_path / "supervisord.conf"
    path.write_text(text)
    read = read_configuration(str(path), Found())
    assert read is not None
    return read


def program(options: str, tmp_path: Path, shared: str = "") -> Item:
    text = f"[supervisord]\n{shared}\n[program:feed]\ncommand={PYTHON} -m feed\n{options}\n"
    found = services_of(configuration(text, tmp_path), {})
    assert found.marks == []
    return found.items[0]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("", {"user": "root"}),
        ("user=web\ndirectory=/srv/\n", {"user": "web", "working_directory": "/srv"}),
        ("autorestart=true\nstartsecs=5\nstopsignal=TERM\n", {"user": "root"}),
        ("autorestart=false\n", {"user": "root", "restart": "no"}),
        (
            "autorestart=unexpected\nexitcodes=0,2\n",
            {"user": "root", "restart": "on-failure", "directives": {"Service": {"SuccessExitStatus": "2"}}},
        ),
        ("autostart=false\n", {"user": "root", "enabled": False, "state": "stopped"}),
        ("stopsignal=QUIT\nstopwaitsecs=20\n", {"user": "root", "kill_signal": "SIGQUIT", "timeout_stop_sec": "20s"}),
        ("startsecs=30\numask=027\n", {"user": "root", "settle_sec": "30s", "umask": "0027"}),
        (
            "environment=A=\"x,y\",B='%(program_name)s' ; told\n",
            {"user": "root", "environment": {"A": "x,y", "B": "feed"}},
        ),
        ("environment=API_KEY=hunter2\n", {"user": "root", "environment": {"API_KEY": "{{ vault_feed_api_key }}"}}),
        ('environment=X="%(ENV_HOST)s"\n', {"user": "root", "environment": {"X": "{{ vault_feed_host }}"}}),
    ],
)
def test_the_options_of_a_program(options: str, expected: dict[str, Any], tmp_path: Path) -> None:
    item = program(options, tmp_path)
    parse_services([item.values])
    if "autorestart" not in options:
        # Its own default is "unexpected".
        expected = {**expected, "restart": "on-failure"}
    assert {key: value for key, value in item.values.items() if key not in ("name", "exec_start")} == expected
    assert any("supervisord keeps it running" in mark for mark in item.marks)
    assert "hunter2" not in str(item.values)


@pytest.mark.parametrize(
    ("options", "begin"),
    [
        ("", "it runs as root"),
        ("priority=10\n", "priority=10"),
        ("stdout_logfile=/var/log/x\n", "its output went to /var/log/x"),
        ("numprocs=2\nprocess_name=%(process_num)s\n", "numprocs=2 made a service for each process"),
        ("autorestart=unexpected\n", "restart: on-failure is autorestart=unexpected"),
        ("autostart=false\n", "autostart=false"),
    ],
)
def test_what_is_to_be_decided_about_a_program(options: str, begin: str, tmp_path: Path) -> None:
    assert any(mark.startswith(begin) for mark in program(options, tmp_path).marks)


def test_what_holds_for_all_programs_holds_for_each(tmp_path):
    item = program("environment=B=2\n", tmp_path, "user=web\ndirectory=/srv\numask=077\nenvironment=A=1,B=1\n")
    assert (item.values["user"], item.values["working_directory"], item.values["umask"]) == ("web", "/srv", "0077")
    assert item.values["environment"] == {"A": "1", "B": "2"}


def test_files_that_are_included_and_processes_of_a_number(tmp_path):
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "a.ini").write_text(
        f"[program:w]\ncommand={PYTHON} -p 80%(process_num)02d --in %(here)s\nnumprocs=2\nnumprocs_start=5\n"
        "[program:other]\ncommand=/bin/sh -c x\n[eventlistener:e]\ncommand=/e\n[group:g]\nprograms=w\n"
    )
    found = services_of(configuration("[include]\nfiles=conf.d/*.ini %(here)s/none\n", tmp_path), {})
    here = f"{tmp_path}/conf.d"
    assert [item.values["exec_start"][1:] for item in found.items] == [
        ["-p", "8005", "--in", here],
        ["-p", "8006", "--in", here],
    ]
    assert [item.name for item in found.items] == ["w-5", "w-6"]
    assert [mark.subject for mark in found.marks] == [f"{here}/a.ini [eventlistener:e]"]


@pytest.mark.parametrize("options", ["command=", "command='a", "environment=A", "directory=%(nothing)s"])
def test_programs_that_supervisord_would_refuse(options: str, tmp_path: Path) -> None:
    text = f"[program:x]\ncommand={PYTHON}\n{options}\n"
    found = services_of(configuration(text, tmp_path), {})
    assert found.items == [] and found.marks[0].text.endswith("; write an item for it")


def test_a_file_that_is_not_there_or_cannot_be_read(tmp_path):
    found = Found()
    assert read_configuration(str(tmp_path / "none"), found) is None and found.unseen == []
    (tmp_path / "bad").write_text("no section\n")
    assert read_configuration(str(tmp_path / "bad"), found) is None
    assert found.unseen[0].startswith(f"{tmp_path}/bad (")


def test_variables_as_supervisord_takes_them_apart():
    assert variables_in("A=1,B=\"x y,z\",C='%',D=/a.b-c:(d)") == {"A": "1", "B": "x y,z", "C": "%", "D": "/a.b-c:(d)"}
    for text in ("A", "A=", "A='x", "=1"):
        with pytest.raises(Unexpandable):
            variables_in(text)


def process(proc: Path, pid: int, *argv: str, environ: str = "") -> None:
    (proc / str(pid)).mkdir()
    (proc / str(pid) / "cmdline").write_text("".join(f"{word}\0" for word in argv))
    (proc / str(pid) / "environ").write_text(environ.replace(" ", "\0") + "\0")


def test_the_files_of_a_supervisord_that_runs(tmp_path):
    process(tmp_path, 1, "/bin/sh", "-c", "/x")
    process(tmp_path, 2, "/v/bin/python", "/v/bin/supervisord", "-n", "-c", "/srv/s.conf")
    assert configuration_files(supervisors([], str(tmp_path))) == [
        "/etc/supervisord.conf",
        "/etc/supervisor/supervisord.conf",
        "/v/etc/supervisord.conf",
        "/v/supervisord.conf",
        "/srv/s.conf",
    ]


UNIT = "[Service]\nEnvironment=REGION=eu 'DB_PASSWORD=hunter2'\nEnvironmentFile=-/etc/default/s\n"


@pytest.mark.parametrize(
    ("environ", "argv", "unit", "names", "files"),
    [
        ("HOME=/root REGION=eu DB_PASSWORD=hunter2 LANG=C.UTF-8", "", "", ["DB_PASSWORD", "REGION"], []),
        ("PATH=/usr/bin:/bin LANG=de_DE.ISO-8859-1", "", "", ["LANG"], []),
        ("PATH=/opt/v/bin:/usr/bin INVOCATION_ID=1 SUDO_USER=x", "-n", "", ["PATH"], []),
        ("REGION=eu", "-c {here}/s.conf", "", ["REGION"], []),
        ("REGION=eu", "-c /srv/other.conf", "", [], []),
        ("", "", UNIT, ["DB_PASSWORD", "REGION"], ["/etc/default/s"]),
        ("", "", "[Service]\nPassEnvironment=\"A\" 'B'\n", ["A", "B"], []),
        ("REGION=eu A=b", "", UNIT, ["A", "DB_PASSWORD", "REGION"], ["/etc/default/s"]),
    ],
)
def test_variables_that_programs_inherit(
    environ: str, argv: str, unit: str, names: list[str], files: list[str], tmp_path: Path
) -> None:
    words = argv.format(here=tmp_path).split()
    if environ:
        process(tmp_path, 7, "/v/bin/python", "/v/bin/supervisord", *words, environ=environ)
    text = f"{unit}ExecStart=/v/bin/supervisord {' '.join(words)}\n"
    units = [Unit("s.service", {}, (UnitFile("/etc/s.service", text, 1.0),))] if unit else []
    found = inherited_from(supervisors(units, str(tmp_path)), str(tmp_path / "s.conf"))
    assert (list(found.names), list(found.environment_files)) == (names, files)
    assert "hunter2" not in found.told(())


def test_what_a_program_inherits_is_told_but_what_it_sets_itself(tmp_path):
    read = configuration(f"[program:feed]\ncommand={PYTHON}\nenvironment=A=1\n", tmp_path)
    (item,) = services_of(replace(read, inherited=Inherited(("A", "DB_PASSWORD"), ("/etc/default/s",))), {}).items
    (told,) = (mark for mark in item.marks if mark.startswith("it inherits"))
    assert told.startswith("it inherits from supervisord itself: DB_PASSWORD, what is in /etc/default/s; write")


def test_variables_that_supervisord_puts_into_options(tmp_path):
    shared = 'environment=REGION="eu west",DB_PASSWORD="hunter2"\n'
    options = f"command={PYTHON} -m feed %(ENV_REGION)s '%(ENV_DB_PASSWORD)s' %(ENV_HOST)s --id=%(ENV_ID)s\n"
    item = program(f"{options}environment=ID=7,COPY='%(ENV_REGION)s'\n", tmp_path, shared)
    assert item.values["exec_start"][3:] == [
        "eu",
        "west",
        "{{ vault_feed_db_password }}",
        "{{ vault_feed_host }}",
        "--id=7",
    ]
    assert item.values["environment"] == {
        "REGION": "eu west",
        "DB_PASSWORD": "{{ vault_feed_db_password }}",
        "ID": "7",
        "COPY": "eu west",
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a b/c", "a-b-c"),
        ("x.service", "x-service"),
        (".x", "x"),
        ("sshd", "sshd-app"),
        ("", "service"),
        ("a.b", "a.b"),
    ],
)
def test_names_that_a_service_may_have(text: str, expected: str) -> None:
    assert service_name(text) == expected


def test_names_that_collide_are_told():
    items = [Item({"name": "api"}, "") for _number in range(3)]
    name_apart(items, {"api", "api-3"})
    assert [item.name for item in items] == ["api-2", "api-4", "api-5"]
    assert all("another service or unit is called api" in item.marks[0] for item in items)
    assert free_name("x", {"y"}) == "x"
