# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules of the audit about environments, and about services in them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.stability.baseline.plugins.module_utils.audit_model import Finding, Process, Unit
from ansible_collections.stability.baseline.plugins.module_utils.audit_packages import (
    RULES,
    Held,
    imports_from_its_environment,
    judge,
    runs_what_is_installed,
)
from ansible_collections.stability.baseline.plugins.module_utils.audit_rules import BY_ID
from ansible_collections.stability.baseline.plugins.module_utils.audit_source_facts import Fault
from ansible_collections.stability.baseline.plugins.module_utils.environments import parse_environments

VENV = "/opt/api/venv"
SOUND = Held(VENV, "3.11.2", {"flask": "3.0.3", "click": "8.1.7"}, age=7200, modules=frozenset(("flask", "click")))
UNIT = Unit(
    "api.service", {"Type": "exec", "WorkingDirectory": "/"}, process=Process(11, 60.0, ("python", "-m", "api"), {})
)


def told(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(finding.id, finding.seen) for finding in findings]


@pytest.mark.parametrize(
    ("held", "expected"),
    [
        (SOUND, []),
        (replace(SOUND, unpinned=(), wrong={}), []),
        (
            replace(SOUND, conflicts=("a 1 requires b, which is not installed.",)),
            [("SB401", "a 1 requires b, which is not installed.")],
        ),
        (replace(SOUND, damaged={"click": ("click/core.py",)}), [("SB402", "click 8.1.7: click/core.py")]),
        (replace(SOUND, unpinned=("click",)), [("SB403", "click==8.1.7")]),
        (
            replace(SOUND, wrong={"click": ("8.1.7", "8.1.8"), "jinja2": ("", "3.1.4")}),
            [
                ("SB404", "click is 8.1.7, and 8.1.8 is pinned"),
                ("SB404", "jinja2 is not installed, and 3.1.4 is pinned"),
            ],
        ),
        (replace(SOUND, leftovers=("~lask",)), [("SB407", "~lask")]),
        (replace(SOUND, faults=[Fault("SB203", "/opt/api/app.py", 7, "text")]), [("SB203", "/opt/api/app.py:7: text")]),
    ],
)
def test_one_fault_of_an_environment_is_one_finding(held: Held, expected: list[tuple[str, str]]) -> None:
    assert told(judge(held)) == expected


def test_what_pins_it_is_shown_as_lines_of_the_inventory() -> None:
    (finding,) = judge(replace(SOUND, unpinned=("click", "flask")))
    assert finding.mend == {"stability_environments": [{"virtualenv": VENV, "pins": ["click==8.1.7", "flask==3.0.3"]}]}


@pytest.mark.parametrize(
    ("version", "told", "pinned"),
    [
        ("1.0", "bb==1.0", True),
        ("1.0+local.2", "bb==1.0+local.2", True),
        ("1!2.0rc1", "bb==1!2.0rc1", True),
        ("", "bb (its version cannot be read)", False),
        ("not-a-version", "bb not-a-version (no version that can be pinned)", False),
        ("2004d", "bb 2004d (no version that can be pinned)", False),
        ("1.*", "bb 1.* (no version that can be pinned)", False),
        ("1.0; python_version > '3'", "bb 1.0; python_version > '3' (no version that can be pinned)", False),
        ("1.0,<2", "bb 1.0,<2 (no version that can be pinned)", False),
        ("1.0 --hash=sha256:00", "bb 1.0 --hash=sha256:00 (no version that can be pinned)", False),
    ],
)
def test_no_pin_is_proposed_that_is_none(version: str, told: str, pinned: bool) -> None:
    held = replace(SOUND, versions={**SOUND.versions, "bb": version}, unpinned=("bb", "click"))
    (finding,) = judge(held)
    assert finding.seen == f"{told}, click==8.1.7"
    assert finding.mend is not None
    ((entry,),) = finding.mend.values()
    assert entry["pins"] == ([f"bb=={version}"] if pinned else []) + ["click==8.1.7"]
    assert [pin.name for pin in parse_environments([entry])[0].pins] == [
        pin.partition("==")[0] for pin in entry["pins"]
    ]
    (alone,) = judge(replace(held, unpinned=("bb",)))
    assert (alone.mend is not None) is pinned


def test_no_environment_is_proposed_that_the_list_refuses() -> None:
    (finding,) = judge(replace(SOUND, path="/opt/my app/venv", unpinned=("click",)))
    assert (finding.seen, finding.mend) == ("click==8.1.7", None)


def test_only_so_many_names_are_written_out() -> None:
    names = {f"n{number:02}": "1" for number in range(12)}
    (finding,) = judge(replace(SOUND, versions=names, unpinned=tuple(names)))
    assert finding.seen.startswith("n00==1, n01==1, ") and finding.seen.endswith("n09==1 and 2 more")


def test_a_process_that_is_older_than_its_environment() -> None:
    assert told(list(runs_what_is_installed(UNIT, SOUND))) == []
    assert told(list(runs_what_is_installed(UNIT, replace(SOUND, age=20)))) == [
        ("SB405", "the process is 60 s old, and /opt/api/venv was changed 20 s ago")
    ]
    job = replace(UNIT, properties={"Type": "oneshot"})
    assert told(list(runs_what_is_installed(job, replace(SOUND, age=20)))) == []


def unit(folder: Path, *argv: str, **variables: str) -> Unit:
    process = Process(11, 60.0, ("python", *argv), variables)
    return replace(UNIT, properties={"Type": "exec", "WorkingDirectory": str(folder)}, process=process)


@pytest.mark.parametrize(
    ("argv", "hides"),
    [
        (("-m", "api"), True),
        (("-c", "pass"), True),
        (("-u", "-m", "api"), True),
        (("-I", "-m", "api"), False),
        (("-uP", "-m", "api"), False),
        (("-X", "dev", "-m", "api"), True),
        (("-W", "error", "-m", "api"), True),
        (("-WIgnore", "-m", "api"), True),
        (("-X", "PI", "-W", "I", "-mapi"), True),
        (("-Es", "-m", "api"), True),
        (("-Wd", "-c", "pass"), True),
        (("-uc", "pass"), True),
        (("--check-hash-based-pycs", "never", "-m", "api"), True),
        (("-X", "dev", "/opt/api/app.py", "-m", "api"), False),
        (("/opt/api/app.py",), False),
    ],
)
def test_a_module_in_the_working_directory_that_hides_an_installed_one(
    tmp_path: Path, argv: tuple[str, ...], hides: bool
) -> None:
    (tmp_path / "click.py").write_text("")
    (tmp_path / "flask").mkdir()
    (tmp_path / "other.py").write_text("")
    expected = [("SB408", f"{tmp_path} hides installed modules: click")] if hides else []
    assert told(list(imports_from_its_environment(unit(tmp_path, *argv), SOUND))) == expected


def test_what_lies_beside_a_script_or_before_a_server_hides_modules(tmp_path: Path) -> None:
    for name in ("click.cpython-311-x86_64-linux-gnu.so", "random.py", "turtle.py", "other.so"):
        (tmp_path / name).write_text("")
    sound = replace(SOUND, standard=frozenset(("random", "turtle", "click")))
    hidden = [("SB408", f"{tmp_path} hides installed modules: click, random (of Python)")]
    elsewhere = unit(Path("/"), f"{tmp_path}/main.py")
    assert told(list(imports_from_its_environment(elsewhere, sound))) == hidden
    assert (
        told(list(imports_from_its_environment(unit(tmp_path, "/opt/api/venv/bin/gunicorn", "x:y"), sound))) == hidden
    )
    assert told(list(imports_from_its_environment(unit(tmp_path, "/opt/api/venv/bin/waitress-serve"), sound))) == []
    # Told once, also when PYTHONPATH has it too.
    twice = unit(tmp_path, "main.py", PYTHONPATH=str(tmp_path))
    assert told(list(imports_from_its_environment(twice, sound))) == [
        ("SB408", f"PYTHONPATH has {tmp_path} (click, random (of Python))")
    ]


def test_distributions_that_only_pythonpath_has(tmp_path: Path) -> None:
    folder = tmp_path / "vendored-1.2.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Name: Vendored\nVersion: 1.2\n")
    seen = unit(Path("/"), "app.py", PYTHONPATH=str(tmp_path))
    assert told(list(imports_from_its_environment(seen, SOUND))) == [
        ("SB408", f"PYTHONPATH has {tmp_path} (vendored 1.2)")
    ]


def test_a_script_that_starts_python_may_have_gone_elsewhere_before(tmp_path: Path) -> None:
    (tmp_path / "click.py").write_text("")
    below = unit(Path("/"), "-m", "api")
    assert below.process is not None and told(list(imports_from_its_environment(below, SOUND))) == []
    below = replace(below, process=replace(below.process, folder=str(tmp_path)))
    assert told(list(imports_from_its_environment(below, SOUND))) == [
        ("SB408", f"{tmp_path} hides installed modules: click")
    ]


def test_modules_from_pythonpath_and_from_the_users_own_folder(tmp_path: Path) -> None:
    beside = tmp_path / "lib"
    (beside / "flask").mkdir(parents=True)
    (beside / "flask" / "__init__.py").write_text("")
    seen = unit(tmp_path, "app.py", PYTHONPATH=f"{VENV}/lib:{beside}:/nowhere")
    assert told(list(imports_from_its_environment(seen, SOUND))) == [("SB408", f"PYTHONPATH has {beside} (flask)")]
    searched = unit(tmp_path, "app.py")
    assert told(list(imports_from_its_environment(searched, SOUND, str(beside)))) == [
        ("SB408", f"{beside} is searched as well")
    ]
    shut = unit(tmp_path, "app.py", PYTHONNOUSERSITE="1")
    assert told(list(imports_from_its_environment(shut, SOUND, str(beside)))) == []


@pytest.mark.parametrize(
    ("value", "told_as"),
    [
        (".", '".", which is {folder}/app (flask)'),
        ("", ""),
        (":/nowhere", '"", which is {folder}/app (flask)'),
        ("/nowhere:", '"", which is {folder}/app (flask)'),
        ("../lib", '"../lib", which is {folder}/lib (click)'),
        ("../lib:.", '"../lib", which is {folder}/lib (click), ".", which is {folder}/app (flask)'),
        ("{folder}/app", "{folder}/app (flask)"),
        ("nowhere", ""),
    ],
)
@pytest.mark.parametrize("below", [False, True])
def test_entries_of_pythonpath_that_are_relative(tmp_path: Path, value: str, told_as: str, below: bool) -> None:
    for name in ("app/flask.py", "lib/click.py"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text("")
    seen = unit(Path("/") if below else tmp_path / "app", "/opt/app.py", PYTHONPATH=value.format(folder=tmp_path))
    assert seen.process is not None
    seen = replace(seen, process=replace(seen.process, folder=str(tmp_path / "app") if below else ""))
    expected = [("SB408", f"PYTHONPATH has {told_as.format(folder=tmp_path)}")] if told_as else []
    assert told(list(imports_from_its_environment(seen, SOUND))) == expected


@pytest.mark.parametrize(
    ("option", "variables", "seen", "mend"),
    [
        ("-E", {"PYTHONPATH": "{beside}"}, "", False),
        ("-I", {"PYTHONPATH": "{beside}"}, "", False),
        ("-Wd", {"PYTHONPATH": "{beside}"}, "PYTHONPATH has {beside} (flask)", False),
        ("-s", {}, "", False),
        ("-I", {}, "", False),
        ("-u", {"PYTHONNOUSERSITE": "0"}, "{beside} is searched as well", True),
        ("-E", {"PYTHONNOUSERSITE": "1"}, "{beside} is searched as well", False),
    ],
)
def test_options_of_python_decide_what_variables_do(
    tmp_path: Path, option: str, variables: dict[str, str], seen: str, mend: bool
) -> None:
    (tmp_path / "flask.py").write_text("")
    given = {name: value.format(beside=tmp_path) for name, value in variables.items()}
    started = unit(Path("/"), option, "app.py", **given)
    user_site = "" if "PYTHONPATH" in given else str(tmp_path)
    found = list(imports_from_its_environment(started, SOUND, user_site))
    assert told(found) == ([("SB408", seen.format(beside=tmp_path))] if seen else [])
    assert [bool(one.mend) for one in found] == ([mend] if seen else [])


def test_each_rule_about_environments_is_described() -> None:
    assert {*RULES, "SB405", "SB408"} <= set(BY_ID)
