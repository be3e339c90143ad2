# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pins from lists and from the text of requirements files."""

from __future__ import annotations

import pytest
from ansible_collections.stability.baseline.plugins.module_utils.problems import Problem
from ansible_collections.stability.baseline.plugins.module_utils.requirements import (
    Pin,
    combine,
    parse_pins,
    parse_requirements_text,
    pins_for,
)
from hypothesis import given
from hypothesis import strategies as st

A = "a" * 64
B = "b" * 64
LINUX_311 = {"python_version": "3.11", "sys_platform": "linux"}


def read(text: str) -> list[Pin]:
    problems: list[Problem] = []
    pins = parse_requirements_text(text, "lock", problems)
    assert not problems
    return pins


def refused(text: str) -> str:
    problems: list[Problem] = []
    assert parse_requirements_text(text, "lock", problems) == []
    (problem,) = problems
    return str(problem)


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("Flask==3.0.3", ["flask==3.0.3"]),
        ("zope.interface == 6.0 # via x", ["zope-interface==6.0"]),
        ("requests[socks,Use_Chardet]==2.32.3", ["requests[socks,use-chardet]==2.32.3"]),
        ("x (==1.0)", ["x==1.0"]),
        ("torch==2.0+cpu", ["torch==2.0+cpu"]),
        ("# head\n\n  # indented\na==1\r\nb==2", ["a==1", "b==2"]),
        ("\ufeffa==1", ["a==1"]),
        (f"a==1 \\\n    --hash=sha256:{A} \\\n    --hash=sha256:{B}\n", [f"a==1 --hash=sha256:{A} --hash=sha256:{B}"]),
        (f"a==1 --hash sha256:{A.upper()}", [f"a==1 --hash=sha256:{A}"]),
        (f"a==1 --hash=sha512:{A}{A}", [f"a==1 --hash=sha512:{A}{A}"]),
        ("a==1 \\", ["a==1"]),
        (
            f"A[x] @ https://example.org/a-1-py3-none-any.whl#sha256={A} ; python_version > '3'",
            [f"a[x] @ https://example.org/a-1-py3-none-any.whl#sha256={A}"],
        ),
        (
            f"a@https://example.org/a-1.tar.gz --hash=sha256:{A}",
            [f"a @ https://example.org/a-1.tar.gz --hash=sha256:{A}"],
        ),
        ("a @ file:///opt/a-1-py3-none-any.whl", ["a @ file:///opt/a-1-py3-none-any.whl"]),
        ("# a comment is not continued \\\na==1", ["a==1"]),
        ("", []),
    ],
)
def test_what_a_file_pins(text: str, lines: list[str]) -> None:
    assert [pin.line for pin in read(text)] == lines


def test_a_pin_knows_the_first_line_of_its_place() -> None:
    assert [pin.place for pin in read("# head\na==1 \\\n  ; python_version > '3'\nb==2")] == [
        "lock, line 2",
        "lock, line 4",
    ]


PINNED = "expected a requirement pinned with =="
WHEEL = "Build a wheel, pin name==version and give its folder as find_links"
IN_A_FILE = "Write its pins out here, or give a file on the host as requirements, where it may stand"
NAMELESS = (
    "An address says no project. Write name @ https://…#sha256=<digits>, or name @ file:///… for a wheel on the host"
)
F = "https://example.org/flask-3.0.3-py3-none-any.whl"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("flask", f"{PINNED}. Write flask==<version>"),
        ("flask>=2", f"{PINNED}. A range installs what is newest on the day. Write flask==<version>"),
        ("flask==2,<3", f"{PINNED}. A range installs what is newest on the day. Write flask==<version>"),
        ("flask~=2.0", f"{PINNED}. A range installs what is newest on the day. Write flask==<version>"),
        ("flask==2.*", f"{PINNED}. 2.* is a range. Write the whole version"),
        ("flask===2.0", f"{PINNED}. Write == instead of ==="),
        ("flask=2.0", f"{PINNED}. It cannot be read: '=2.0' has no operator and version"),
        ("flask==two", f"{PINNED}. It cannot be read: 'two' is not a version of PEP 440"),
        ("flask==2.0; os == 'nt'", f"{PINNED}. It cannot be read: the marker \"os == 'nt'\" uses os, which is no marker variable"),
        ("git+https://example.org/f", f"{PINNED}. {NAMELESS}"),
        ("./flask-3.0.3-py3-none-any.whl", f"{PINNED}. {NAMELESS}"),
        ("flask-3.0.3.tar.gz", f"{PINNED}. {NAMELESS}"),
        (F, f"{PINNED}. {NAMELESS}"),
        (f"flask @ {F}", "expected an address with a hash. What it leads to may change. Add #sha256=<64 hexadecimal digits>"),
        ("flask @ file:///opt/flask-3.0.3.tar.gz", "expected an address with a hash. What it leads to may change. Add #sha256=<64 hexadecimal digits>"),
        (f"flask @ {F}#egg=flask", "expected an address with nothing but a hash behind #. Write #sha256=<64 hexadecimal digits>"),
        (f"flask @ {F}#sha256={A}0", "expected an address with nothing but a hash behind #. Write #sha256=<64 hexadecimal digits>"),
        (f"click @ {F}#sha256={A}", f"expected the address of an archive of click, with its version in the file's name. {WHEEL}"),
        ("flask @ https://example.org/main.zip", f"expected the address of an archive of flask, with its version in the file's name. {WHEEL}"),
        (f"flask @ git+https://example.org/f@{'a' * 40}", "expected the address of an archive. A commit says neither a version nor what it is built "
         f"with. {WHEEL}"),
        ("flask @ ftp://example.org/f.whl", "expected an address: https://…, http://… or file:///…. Write the whole address"),
        ("flask @ ./flask-3.0.3-py3-none-any.whl", "expected an address: https://…, http://… or file:///…. Write the whole address"),
        (f"flask @ {F.replace('//', '//me:secret@')}#sha256={A}", "expected an address without credentials. Pin name==version and give the index as index_url"),
        ("-e .", f"{PINNED}, no option of pip. What is editable has no version to pin. {WHEEL}"),
        ("--editable=.", f"{PINNED}, no option of pip. What is editable has no version to pin. {WHEEL}"),
        ("-r more.txt", f"{PINNED}, no option of pip. {IN_A_FILE}"),
        ("-rmore.txt", f"{PINNED}, no option of pip. {IN_A_FILE}"),
        ("-c limits.txt", f"{PINNED}, no option of pip. {IN_A_FILE}"),
        ("--extra-index-url x", f"{PINNED}, no option of pip. Take the line out and give the option extra_index_urls"),
        ("--no-binary :all:", f"{PINNED}, no option of pip. Take the line out"),
        ("a==1 --global-option=x", "expected no option but --hash. Take --global-option out"),
        ("a==1 --hash=md5:00", "expected a hash of sha256 (64 hexadecimal digits), sha384 (96 hexadecimal digits), "
         "sha512 (128 hexadecimal digits). Copy the hash from the index or the lock file"),
        ("a==1 --hash=sha256:", "expected a hash of sha256 (64 hexadecimal digits), sha384 (96 hexadecimal digits), "
         "sha512 (128 hexadecimal digits). Copy the hash from the index or the lock file"),
        ("a==1 --hash='x", "expected options that can be read. Close the quotes"),
    ],
)  # fmt: skip
def test_what_a_line_may_not_say(line: str, message: str) -> None:
    found = refused(f"# head\n{line}\n")
    assert found.startswith("lock, line 2: found ")
    assert found.endswith(f"; {message}.")


@pytest.mark.parametrize(
    "line",
    [
        "--index-url https://me:s3cret-word@example.org/simple",
        "flask @ https://me:s3cret-word@example.org/" + "x" * 200,
    ],
)
def test_credentials_in_a_refused_line_are_not_shown(line: str) -> None:
    message = refused(line)
    assert "s3cret-word" not in message
    assert "****@example.org" in message


def test_every_wrong_line_is_named() -> None:
    problems: list[Problem] = []
    pins = parse_requirements_text("a\nb==1\nc>1\n-e .", "lock", problems)
    assert [pin.name for pin in pins] == ["b"]
    assert [problem.option for problem in problems] == ["lock, line 1", "lock, line 3", "lock, line 4"]


@pytest.mark.parametrize("entry", ["", "  # only a comment", "a==1\nb==2"])
def test_an_entry_holds_one_requirement(entry: str) -> None:
    problems: list[Problem] = []
    assert parse_pins(["a==1", entry], "pins", problems) == [Pin("a", "1", place="pins[0]")]
    assert str(problems[0]).startswith("pins[1]: found ")
    assert str(problems[0]).endswith("; expected a requirement pinned with ==. Write one requirement in each entry.")


def test_markers_are_those_of_the_target_interpreter() -> None:
    pins = read(
        'a==1; python_version < "3.11"\na==2; python_version >= "3.11"\nb==1; sys_platform == "win32"\nc==1; extra == "x"'
    )
    assert [pin.line for pin in pins_for(pins, LINUX_311)] == ["a==2"]


def together(text: str, require_hashes: bool = False) -> tuple[list[str], list[str]]:
    problems: list[Problem] = []
    pins = combine(read(text), require_hashes, problems)
    return [pin.line for pin in pins], [str(problem) for problem in problems]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("b==1\na==1", ["a==1", "b==1"]),
        ("a==1\nA==1.0", ["a==1"]),
        ("a[x]==1\na[y]==1", ["a[x,y]==1"]),
        (f"a==1\na==1 --hash=sha256:{A}", [f"a==1 --hash=sha256:{A}"]),
        (f"a==1 --hash=sha256:{A} --hash=sha256:{B}\na==1 --hash=sha256:{A}", [f"a==1 --hash=sha256:{A}"]),
        (
            f"a==1 --hash=sha256:{A}\nb @ https://example.org/b-1.zip#sha256={B}",
            [f"a==1 --hash=sha256:{A}", f"b @ https://example.org/b-1.zip#sha256={B}"],
        ),
        (f"a==1\nb @ https://example.org/b-1.zip#sha256={B}", ["a==1", f"b @ https://example.org/b-1.zip#sha256={B}"]),
    ],
)
def test_one_pin_for_each_project(text: str, lines: list[str]) -> None:
    assert together(text) == (lines, [])


@pytest.mark.parametrize(
    ("text", "require_hashes", "message"),
    [
        (
            "a==1\nA==2",
            False,
            'lock, line 2: found "a==2"; expected the version of lock, line 1 (a==1). Pin each project once.',
        ),
        (
            "a==1+x\na==1",
            False,
            'lock, line 2: found "a==1"; expected the version of lock, line 1 (a==1+x). Pin each project once.',
        ),
        (
            "a==1\na @ file:///a-1-py3-none-any.whl",
            False,
            'lock, line 2: found "a @ file:///a-1-py3-none-any.whl"; expected the origin of lock, line 1 (a==1). Pin each project once.',
        ),
        (
            f"a==1 --hash=sha256:{A}\na==1 --hash=sha256:{B}",
            True,
            'lock, line 2: found "a==1"; expected a hash that lock, line 1 has too. Pin each project once.',
        ),
        (
            "a==1",
            True,
            'lock, line 1: found "a==1"; expected a hash (require_hashes is set). Add --hash=sha256:<digits>.',
        ),
        (
            f"a==1\nb==1 --hash=sha256:{B}",
            False,
            'lock, line 1: found "a==1"; expected a hash (lock, line 2 has one). Add --hash=sha256:<digits>.',
        ),
    ],
)
def test_pins_that_contradict_each_other(text: str, require_hashes: bool, message: str) -> None:
    assert message in together(text, require_hashes)[1]


@given(st.text(alphabet="ab=1.*<>-#\\\n ;@[]()'\"", max_size=40))
def test_any_text_is_read_or_refused_with_its_place(text: str) -> None:
    problems: list[Problem] = []
    for pin in parse_requirements_text(text, "lock", problems):
        assert pin.place.startswith("lock, line ")
        again: list[Problem] = []
        assert parse_requirements_text(pin.line, "lock", again)[0].line == pin.line
    assert all(problem.option.startswith("lock, line ") for problem in problems)
