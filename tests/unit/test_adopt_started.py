# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which lines for a shell start a Python, which may, and which leave something in the background."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.stability.baseline.plugins.module_utils.adopt_cron import lines_in
from ansible_collections.stability.baseline.plugins.module_utils.adopt_cron import services_of as jobs_of
from ansible_collections.stability.baseline.plugins.module_utils.adopt_model import Found
from ansible_collections.stability.baseline.plugins.module_utils.adopt_shell_words import UNKNOWN, without_background
from ansible_collections.stability.baseline.plugins.module_utils.adopt_started import started_as, started_by, started_in
from hypothesis import given
from hypothesis import strategies as st

PATH = "/usr/bin:/bin"
FILES = {
    "run.py": "#!/usr/bin/python3\n",
    "bin/job": "#!/usr/bin/env python3\n",
    "bin/work.sh": "#!/bin/bash -l\n# python3\ncd {here} || exit 1\n./run.py | tee x\n",
    "bin/odd.sh": '#!/bin/sh\nexec "$@"\n',
    "bin/plain.sh": "#!/bin/sh\ncase $1 in\n  *) date;;\nesac\ncat <<END\n./run.py\nEND\nls *.py\n",
    "bin/env": "RUN={here}/run.py\n",
    "bin/service": "#!/usr/bin/python3\n",
    "bin/time": "#!/usr/bin/python3\n",
    "parts/one": "#!/usr/bin/python3\n",
}
NEVER = "[ -x /none ]"


@pytest.fixture
def here(tmp_path: Path) -> str:
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text.replace("{here}", str(tmp_path)))
        path.chmod(0o755)
    return str(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "flock -n /l {here}/run.py || true",
        "timeout 9 {here}/run.py ; date",
        "timeout -k 5 9 {here}/run.py",
        "nice {here}/run.py > log-$(date +x)",
        "nice -n 10 ionice -c 3 {here}/run.py 2>&1",
        "flock /l -c 'cd {here}; ./run.py'",
        "cd {here} && ./run.py | tee x",
        "cd {here} && ./run.py || true",
        "cd {here}/bin && ../run.py; date",
        "(cd {here}; ./run.py)",
        "{ cd {here}; ./run.py; }",
        "if true; then {here}/run.py; fi",
        f"{NEVER} && date || {{here}}/run.py",
        "while ! {here}/run.py; do sleep 1; done",
        "case $1 in a) date;; *) {here}/run.py;; esac",
        "(case $1 in a) date;; esac; {here}/run.py)",
        "f() { date; }; {here}/run.py",
        "$HOME/run.py",
        "PATH={here}/bin service",
        "{here}/bin/time",
        "${HOME}/run.py",
        '"$HOME"/bin/job x',
        "~/bin/job",
        "cd; bin/job",
        "cd ~ && bin/job",
        "A=$(date) B=2 exec {here}/run.py",
        'RUN={here}/run.py; "$RUN"',
        'RUN="nice {here}/run.py"; $RUN',
        "PATH={here}/bin:$PATH job",
        "export PATH={here}/bin; job | cat",
        ". {here}/bin/activate; job",
        'echo "$({here}/run.py)"',
        "x=`cd {here} && ./run.py`",
        "diff <({here}/run.py) /x",
        "bash -o pipefail -c 'cd {here} && ./run.py | cat'",
        'sh -c "cd {here} && ./run.py > $(date).log"',
        "su - web -c '{here}/run.py'",
        "sudo -u web env A=1 {here}/run.py",
        "date | xargs -n 1 {here}/run.py",
        "find {here} -name x -exec {here}/run.py {} +",
        "run-parts {here}/parts",
        "command {here}/run.py",
        "eval '{here}/run.py'",
        "trap {here}/run.py EXIT",
        "date \\\n && {here}/run.py",
        "date # no\n{here}/run.py",
        "cat <<E\nx\nE\n{here}/run.py",
        "$(which python3) x",
        "$VENV/bin/python -m x",
        "'{here}/run.py",
    ],
)
def test_a_line_that_starts_a_python(text: str, here: str) -> None:
    text = text.replace("{here}", here) if not text.startswith("'") else "python3 'x"
    assert started_by(text, here, PATH).is_python is True


@pytest.mark.parametrize(
    "text",
    [
        "$RUN x",
        "$DIR/run x",
        "cd $DIR && ./run.sh",
        "/opt/*/run",
        "timeout 5 $RUN",
        "/gone/run.py",
        "/usr/bin/env -S /gone/run.py",
        "date | sh",
        'sh -c "$RUN"',
        ". {here}/none; job",
        "su - web -c '~/bin/job'",
        "su - web -c 'bin/job2'",
        "su web -c job2",
        "sudo -u web ./job2",
        "{here}/bin/work.sh",
        "sh {here}/bin/work.sh",
        "cd {here} && bin/odd.sh {here}/run.py",
        "uv run x",
        "xz {here}/run.py",
        "xz python3",
        "date 'x",
        "A=/bin/ls; A=/x/y; $A",
    ],
)
def test_a_line_that_may_start_a_python(text: str, here: str) -> None:
    started = started_by(text.replace("{here}", here), here, "/usr/bin:/bin:/opt/none")
    assert started.is_python is None and started.doubts


@pytest.mark.parametrize(
    "text",
    [
        "date",
        "",
        "# {here}/run.py",
        "cat {here}/run.py",
        "test -x {here}/run.py && date",
        "[ -x {here}/run.py ] && [ $(date +x) -le 7 ]; echo python3",
        "date > {here}/run.py",
        "command -v python3 > /dev/null",
        "{here}/bin/plain.sh",
        "timeout 5 date {here}/run.py",
        "cd / && run-parts --report /etc/cron.hourly",
        "test -x /usr/sbin/anacron || { cd / && run-parts --report /etc/cron.daily; }",
        "cd {here} && ./gone",
        ". {here}/none; set -e; [ -x {here}/run.py ]",
        "echo '$({here}/run.py)'",
    ],
)
def test_a_line_without_python(text: str, here: str) -> None:
    started = started_by(text.replace("{here}", here), here, PATH)
    assert started.is_python is False, started


def test_a_folder_that_is_not_there_is_a_doubt() -> None:
    assert started_by("./run", "", PATH).is_python is None


def test_commands_and_scripts(here: str) -> None:
    assert started_as(["nice", "bin/job"], here, PATH).pythons == [f"{here}/bin/job"]
    assert started_in(f"{here}/bin/work.sh", "/", PATH).pythons == [f"{here}/run.py"]
    assert started_in(f"{here}/run.py", "/", PATH).is_python is False


@given(st.text(st.sampled_from("ab $`'\"\\(){}<>|&;\n#~*[=!"), max_size=24))
def test_any_line_is_gone_through(text: str) -> None:
    started = started_by(text, "/none", "/none")
    assert started.is_python in (None, False)
    assert UNKNOWN not in without_background(text)


@pytest.mark.parametrize(
    ("text", "left", "in_background"),
    [
        ("/a &", "/a", False),
        ("/a > x-$(date) 2>&1 & # now", "/a > x-$(date) 2>&1", False),
        ("/a; /b &", "/a; /b", False),
        ("/a && /b", "/a && /b", False),
        ("/a '&'", "/a '&'", False),
        ("/a 2>&1", "/a 2>&1", False),
        ("/a &> x", "/a &> x", False),
        ("/a & /b", "/a & /b", True),
        ("/a & /b &", "/a & /b", True),
        ("/a & /b & wait", "/a & /b & wait", False),
        ("(/a &)", "(/a &)", True),
        ("sh -c '/a &'", "sh -c '/a &'", True),
        ("setsid -f /a", "setsid -f /a", True),
        ("/a '", "/a '", False),
    ],
)
def test_what_is_left_in_the_background(text: str, left: str, in_background: bool) -> None:
    assert without_background(text) == left
    assert started_by(left, "/", PATH).in_background is in_background


def jobs(command: str, variables: str = "") -> Found:
    return jobs_of(lines_in(f"{variables}\n0 5 * * * web {command}\n", "/etc/cron.d/shop", ""), {})


def test_a_line_in_the_background_is_a_job_that_is_waited_for(here: str) -> None:
    (item,) = jobs(f"flock -n /l {here}/run.py --x &").items
    assert item.values["exec_start"][-2:] == [f"{here}/run.py", "--x"]
    assert any(mark.startswith("the & at its end is left out") for mark in item.marks)
    (item,) = jobs(f"cd {here} && ./run.py | cat &").items
    assert item.values["exec_start"] == ["/bin/sh", "-c", f"cd {here} && ./run.py | cat"]


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("{here}/run.py & {here}/bin/job", "it leaves a program in the background"),
        ("({here}/run.py &)", "it leaves a program in the background"),
        ("{here}/bin/work.sh", "whether it starts a Python cannot be told"),
        ("$RUN x", "whether it starts a Python cannot be told (an expansion)"),
    ],
)
def test_a_line_that_is_no_job_is_told(command: str, said: str, here: str) -> None:
    found = jobs(command.replace("{here}", here))
    assert found.items == []
    assert [(mark.subject, mark.text.startswith(said)) for mark in found.marks] == [("/etc/cron.d/shop:2", True)]


def test_variables_of_the_crontab_count(here: str) -> None:
    (item,) = jobs("$APP/run.py x", f"APP={here}").items
    assert item.values["exec_start"] == ["/bin/sh", "-c", "$APP/run.py x"]
    assert f"{here}/run.py" in item.programs


def test_the_environment_of_what_env_finds_in_its_path(tmp_path: Path) -> None:
    for path in (tmp_path / "bin/python", tmp_path / "pyvenv.cfg"):
        path.parent.mkdir(exist_ok=True)
        path.touch(0o755)
    for command, variables in (
        ("env python x", f"PATH={tmp_path}/bin:/bin"),
        (f"env A=1 PATH={tmp_path}/bin python x", ""),
    ):
        (item,) = jobs(command, variables).items
        assert f"{tmp_path}/bin/python" in item.programs
