# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requirement files that name others, on files made for the purpose."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.stability.baseline.plugins.module_utils.problems import Problem
from ansible_collections.stability.baseline.plugins.module_utils.requirement_files import read_requirement_files
from ansible_collections.stability.baseline.plugins.module_utils.requirements import Pin

A = "a" * 64
ENVIRONMENT = {"python_version": "3.11", "python_full_version": "3.11.2", "sys_platform": "linux"}


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def read(folder: Path, files: dict[str, str], given: tuple[Pin, ...] = ()) -> tuple[list[str], list[str]]:
    """Return the lines of the pins that ``top.txt`` makes, and the problems with the folder as ``/``."""
    write(folder, files)
    problems: list[Problem] = []
    requested = read_requirement_files(f"{folder}/top.txt", "requirements", False, problems)
    pins = requested.pins_for(list(given), ENVIRONMENT, problems)
    return sorted(pin.line for pin in pins), [str(problem).replace(str(folder), "") for problem in problems]


@pytest.mark.parametrize(
    "line",
    [
        "-r sub/more.txt",
        "-rsub/more.txt",
        "--requirement sub/more.txt",
        "--requirement=sub/more.txt",
        "-r 'sub/more.txt'  # more",
    ],
)
def test_files_are_found_beside_the_file_that_names_them(tmp_path: Path, line: str) -> None:
    files = {
        "top.txt": f"a==1\n{line}\n",
        "sub/more.txt": "-r ../last.txt\nb==1",
        "last.txt": "c==1; sys_platform == 'linux'",
    }
    assert read(tmp_path, files) == (["a==1", "b==1", "c==1"], [])


@pytest.mark.parametrize(
    ("files", "pins"),
    [
        ({"top.txt": "a\nb[x]>=1,<3\n-c limits.txt", "limits.txt": "a==1\nb==2\nunused==9"}, ["a==1", "b[x]==2"]),
        ({"top.txt": "-c limits.txt\na==1.0", "limits.txt": f"a==1 --hash=sha256:{A}"}, [f"a==1.0 --hash=sha256:{A}"]),
        ({"top.txt": "--constraint=limits.txt\na", "limits.txt": "-r more.txt", "more.txt": "a==1"}, ["a==1"]),
        ({"top.txt": "-c limits.txt\na==1", "limits.txt": "a==1.0.0"}, ["a==1"]),
        # The hash of the line holds for the version of the constraint.
        ({"top.txt": f"-c limits.txt\na --hash=sha256:{A}", "limits.txt": "a==1"}, [f"a==1 --hash=sha256:{A}"]),
        ({"top.txt": "a; sys_platform == 'win32'\nb==1"}, ["b==1"]),
        ({"top.txt": "a\n-c l.txt", "l.txt": "a==1; python_version < '3'\na==2; python_version > '3'"}, ["a==2"]),
        (
            {"top.txt": "a\n-c l.txt", "l.txt": "a @ file:///w/a-3-py3-none-any.whl"},
            ["a @ file:///w/a-3-py3-none-any.whl"],
        ),
        ({"top.txt": "-r one.txt\n-r two.txt", "one.txt": "-r both.txt", "two.txt": "-r both.txt", "both.txt": "a==1"}, ["a==1"]),
    ],
)  # fmt: skip
def test_constraints_pin_what_is_required(tmp_path: Path, files: dict[str, str], pins: list[str]) -> None:
    assert read(tmp_path, files) == (pins, [])


NODE = "expected a file on the managed node"


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            {"top.txt": "\n-r more.txt"},
            f'requirements (/top.txt), line 2: found "-r more.txt"; {NODE} (/more.txt). Copy it there first, or take the line out.',
        ),
        ({}, f'requirements: found "/top.txt"; {NODE}. Copy it there first, or give requirements_content.'),
        (
            {"top.txt": "-r more.txt", "more.txt": "a==1\n-c top.txt"},
            'requirements (/more.txt), line 2: found "-c top.txt"; expected a file that does not lead back to itself (/top.txt). '
            "Take the line out.",
        ),
        (
            {"top.txt": "-r ."},
            'requirements (/top.txt), line 1: found "-r ."; expected a file that can be read (). It is no plain file.',
        ),
        (
            {"top.txt": "-r https://example.org/x.txt"},
            'requirements (/top.txt), line 1: found "-r https://example.org/x.txt"; expected -r with the path of a file on the '
            "managed node. Copy the file there.",
        ),
        (
            {"top.txt": "-c"},
            'requirements (/top.txt), line 1: found "-c"; expected -c with the path of a file on the managed node. '
            "Copy the file there.",
        ),
        (
            {"top.txt": "-r sub/more.txt", "sub/more.txt": "a==1\nb>2"},
            'requirements (/sub/more.txt), line 2: found "b>2"; expected a requirement pinned with ==. A range installs what is '
            "newest on the day. Write b==<version>.",
        ),
        (
            {"top.txt": "a\n-c limits.txt", "limits.txt": "a>1\na==2"},
            'requirements (/limits.txt), line 1: found "a>1"; expected a requirement pinned with ==. A range installs what is '
            "newest on the day. Write a==<version>.",
        ),
        (
            {"top.txt": "a==1\n-c limits.txt", "limits.txt": "a==2"},
            'requirements (/top.txt), line 1: found "a==1"; expected the version of requirements (/limits.txt), line 1 (a==2). '
            "Pin each project once.",
        ),
        (
            {"top.txt": "a>=3\n-c limits.txt", "limits.txt": "a==2"},
            'requirements (/top.txt), line 1: found "a>=3"; expected a requirement that a==2 of requirements (/limits.txt), line 1 '
            "satisfies. Make the two agree.",
        ),
        (
            {"top.txt": "a\n-c limits.txt", "limits.txt": "a==2\na[x]==2"},
            'requirements (/limits.txt), line 2: found "a[x]==2"; expected a constraint without extras. Take [x] out.',
        ),
        (
            {"top.txt": "-i https://example.org/simple"},
            'requirements (/top.txt), line 1: found "-i https://example.org/simple"; expected a requirement pinned with ==, no option '
            "of pip. Take the line out and give the option index_url.",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_its_place(tmp_path: Path, files: dict[str, str], message: str) -> None:
    assert read(tmp_path, files)[1] == [message]


def test_text_that_is_not_utf_8(tmp_path: Path) -> None:
    (tmp_path / "more.txt").write_bytes(b"\xff")
    assert read(tmp_path, {"top.txt": "-r more.txt"})[1] == [
        'requirements (/top.txt), line 1: found "-r more.txt"; expected a text file in UTF-8 (/more.txt). Convert it.'
    ]


def test_constraints_hold_for_the_other_pins_too(tmp_path: Path) -> None:
    given = (Pin("a", "1", place="pins[0]"),)
    assert read(tmp_path, {"top.txt": "-c limits.txt", "limits.txt": "a==2"}, given)[1] == [
        'pins[0]: found "a==1"; expected the version of requirements (/limits.txt), line 1 (a==2). Pin each project once.'
    ]


def test_what_is_absent_may_come_later(tmp_path: Path) -> None:
    write(tmp_path, {"top.txt": "a==1\nb\n-c more.txt"})
    problems: list[Problem] = []
    requested = read_requirement_files(f"{tmp_path}/top.txt", "requirements", True, problems)
    assert (requested.absent, requested.names) == ([f"{tmp_path}/more.txt"], {"a", "b"})
    assert [pin.line for pin in requested.pins_for([], ENVIRONMENT, problems)] == ["a==1"]
    assert problems == []


def test_a_file_leads_only_to_what_its_owner_may_read(tmp_path: Path) -> None:
    write(tmp_path, {"top.txt": "-r secret.txt", "secret.txt": "root:$6$hash"})
    (tmp_path / "secret.txt").chmod(0o600)
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    assert "root:" in read(tmp_path, {})[1][0]
    os.chown(tmp_path / "top.txt", 65534, 65534)
    assert read(tmp_path, {})[1] == [
        'requirements (/top.txt), line 1: found "-r secret.txt"; expected a file that can be read (/secret.txt). Permission denied.'
    ]
