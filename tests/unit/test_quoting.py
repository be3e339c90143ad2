# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Quoting: a reader that follows systemd.syntax(7) gets back what was written."""

from __future__ import annotations

import pytest
from ansible_collections.stability.baseline.plugins.module_utils.quoting import assignment, command_line
from hypothesis import given
from hypothesis import strategies as st

WORDS = st.text(st.characters(blacklist_characters="\0", blacklist_categories=("Cs",)))
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", '"': '"'}


def read_words(line: str) -> list[str]:
    """Split a line the way systemd.syntax(7) says: blanks separate, double quotes group, C escapes inside them."""
    words: list[str] = []
    position = 0
    while position < len(line):
        if line[position] == " ":
            position += 1
            continue
        content = ""
        quoted = line[position] == '"'
        position += quoted
        while position < len(line) and line[position] != ('"' if quoted else " "):
            if line[position] == "\\":
                position += 1
                if line[position] == "x":
                    content += chr(int(line[position + 1 : position + 3], 16))
                    position += 2
                else:
                    content += _ESCAPES[line[position]]
            else:
                content += line[position]
            position += 1
        position += quoted
        words.append(content)
    return words


def read_command(line: str) -> list[str]:
    words = read_words(line.removeprefix(":"))
    if not line.startswith(":"):
        assert "$" not in line
    return [word.replace("%%", "%") for word in words]


@given(st.lists(WORDS, min_size=1))
def test_a_command_line_is_read_back(argv):
    line = command_line(["/bin/a", *argv])
    assert "\n" not in line
    assert read_command(line) == ["/bin/a", *argv]


@given(WORDS)
def test_an_assignment_is_read_back(value):
    assert [word.replace("%%", "%") for word in read_words(assignment("NAME", value))] == [f"NAME={value}"]


@pytest.mark.parametrize(
    ("argv", "line"),
    [
        (["/bin/a", "b"], "/bin/a b"),
        (["/bin/a", ""], '/bin/a ""'),
        (["/bin/a", ";"], '/bin/a ";"'),
        (["/bin/a", "$HOME"], ':/bin/a "$HOME"'),
        (["/bin/a", "%i"], '/bin/a "%%i"'),
        (["/bin/a b", "\t\x01"], '"/bin/a b" "\\t\\x01"'),
    ],
)
def test_command_lines(argv, line):
    assert command_line(argv) == line
