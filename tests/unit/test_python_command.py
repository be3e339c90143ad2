# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Command lines of a Python, held against what this Python says of itself when it is started with them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.stability.baseline.plugins.module_utils.python_command import parse


@pytest.mark.parametrize(
    ("line", "options", "source", "program"),
    [
        ("-m app", "", "m", "app"),
        ("-mapp -u", "", "m", "app"),
        ("-c pass -u", "", "c", "pass"),
        ("app.py -m x", "", "script", "app.py"),
        ("-X dev -m app", "X", "m", "app"),
        ("-Xdev -m app", "X", "m", "app"),
        ("-W error -m app", "W", "m", "app"),
        ("-Wd app.py", "W", "script", "app.py"),
        ("-BuW error -Es -m app", "BuWEs", "m", "app"),
        ("-uW m -m app", "uW", "m", "app"),
        ("-uc pass", "u", "c", "pass"),
        ("-Ibm app", "Ib", "m", "app"),
        ("-I -E -s -m app", "IEs", "m", "app"),
        ("--check-hash-based-pycs never -m app", "", "m", "app"),
        ("-- app.py", "", "script", "app.py"),
        ("-u - -m app", "u", "-", "-"),
        ("", "", "-", ""),
        ("-u", "u", "-", ""),
        ("--", "", "-", "-"),
        ("-X", "X", "-", ""),
        ("-m", "", "m", ""),
    ],
)
def test_options_end_where_the_program_begins(line: str, options: str, source: str, program: str) -> None:
    found = parse(["python", *line.split()])
    assert (found.options, found.source, found.program) == (frozenset(options), source, program)


def test_what_follows_the_program_is_its_own() -> None:
    assert parse(["python", "-u", "-m", "app", "-m", "x"]).arguments == ("-m", "x")
    assert parse(["python", "app.py", "-c", "x"]).arguments == ("-c", "x")


SHOW = """\
import sys
flags = sys.flags
print(flags.no_user_site or flags.no_site, flags.ignore_environment, getattr(flags, "safe_path", flags.isolated))
"""


@pytest.mark.parametrize("value", ["0", "x"])
@pytest.mark.parametrize("line", ["", "-u", "-I", "-E", "-s", "-S", "-Es", "-Wd", "-X dev -W error -BE"])
@pytest.mark.parametrize("source", [("-c", SHOW), ("shown.py",)])
def test_this_python_is_judged_as_it_says(tmp_path: Path, source: tuple[str, ...], line: str, value: str) -> None:
    (tmp_path / "shown.py").write_text(SHOW)
    argv = [sys.executable, *line.split(), *source]
    variables = {"PYTHONNOUSERSITE": value, "PYTHONSAFEPATH": value}
    done = subprocess.run(
        argv, cwd=tmp_path, env={**os.environ, **variables}, capture_output=True, text=True, check=True
    )
    no_site, ignores, safe = (word not in ("0", "False") for word in done.stdout.split())
    command = parse(argv)
    assert (not command.looks_into_user_site(variables), command.ignores_variables) == (no_site, ignores)
    first = command.first_folder(variables, ".".join(map(str, sys.version_info[:2])), str(tmp_path))
    assert first == ("" if safe else str(tmp_path))


def test_a_variable_that_only_newer_pythons_know() -> None:
    variables = {"PYTHONSAFEPATH": "0"}
    command = parse(["python", "-m", "app"])
    assert command.first_folder(variables, "3.10.4", "/w") == "/w"
    assert command.first_folder(variables, "3.11.0rc1", "/w") == ""
    assert parse(["python", "-E", "-m", "app"]).first_folder(variables, "3.13.0", "/w") == "/w"


@pytest.mark.parametrize(
    ("words", "first"),
    [
        (["/opt/app/main.py"], "/opt/app"),
        (["main.py"], "/began"),
        (["../app/main.py"], "/app"),
        (["-P", "/opt/app/main.py"], ""),
        (["/venv/bin/waitress-serve", "app:app"], "/venv/bin"),
        (["/venv/bin/gunicorn", "app:app"], "/began"),
        (["-I", "/venv/bin/uvicorn", "app:app"], "/began"),
        (["-m", "gunicorn", "app:app"], "/began"),
        (["-P", "-m", "gunicorn", "app:app"], "/began"),
        (["/venv/bin/gunicorn", "--chdir", "/opt/app", "app:app"], "/opt/app"),
        (["/venv/bin/uvicorn", "--app-dir=src", "app:app"], "/began/src"),
        (["/venv/bin/gunicorn", "--bind=:80", "app:app"], "/began"),
        (["/"], "/"),
        (["-I", "-m", "app"], ""),
        ([], "/began"),
    ],
)
def test_what_is_searched_first(words: list[str], first: str) -> None:
    assert parse(["/venv/bin/python", *words]).first_folder({}, "3.13.0", "/began") == first


def test_a_link_to_a_script_is_followed(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "main.py").touch()
    (tmp_path / "run").symlink_to("app/main.py")
    assert parse(["python", str(tmp_path / "run")]).first_folder({}, "3.13.0", "/") == str(tmp_path / "app")
