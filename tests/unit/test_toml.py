# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The reader of TOML, compared with tomllib."""

from __future__ import annotations

import datetime
import json
import tomllib
from typing import Any

import pytest
from ansible_collections.stability.baseline.plugins.module_utils.toml import InvalidToml, parse_toml
from hypothesis import given
from hypothesis import strategies as st


def plain(value: Any) -> Any:
    """Return what tomllib read with dates and times as their kind only, and numbers so that nan equals itself."""
    if isinstance(value, dict):
        return {key: plain(member) for key, member in value.items()}
    if isinstance(value, list):
        return [plain(member) for member in value]
    if isinstance(value, (datetime.date, datetime.time)):
        return "a time"
    return repr(value)


def timeless(value: Any, pattern: Any) -> Any:
    """Return what we read in the form of :func:`plain`, where ``pattern`` says what is a time."""
    if isinstance(value, dict):
        return {key: timeless(member, pattern.get(key)) for key, member in value.items()}
    if isinstance(value, list):
        return [timeless(member, other) for member, other in zip(value, pattern, strict=True)]
    return pattern if pattern == "a time" and isinstance(value, str) else repr(value)


def compare(text: str) -> bool:
    """Read the text with both; whatever we accept must be what tomllib reads. Returns whether we accept it."""
    try:
        ours = parse_toml(text)
    except InvalidToml:
        return False
    theirs = plain(tomllib.loads(text))
    assert timeless(ours, theirs) == theirs
    return True


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# only a comment\n\n \t\n",
        "a = \"x\"\r\nb = 'y' # c\r\n",
        "a.b.\"c d\".'e' = 1\na . f = 2",
        "[a.b]\nc = 1\n[a]\nd = 2\n[a.e]\n",
        "[[a]]\nb = 1\n[[a]]\n[a.c]\nd = 1\n[[a.e]]\n[[a.e]]",
        "[x]\na.b = 1\n[x.a.c]\nd = 1",
        'a = """\nx\n  y \\\n   z\\" ""quotes"" """',
        'a = """"two""""\nb = \'\'\'\'x\'\'\'\'\'\nc = """"""',
        "a = '''\nraw \\ '' text\n'''",
        r'a = "\b\t\n\f\r\"\\\u00e9\U0001F600"',
        "a = [1, 2,\n # c\n [3, 'x'], {b = 1},\n]\nc = []\nd = {}\ne = {f.g = 1, f.h = {i = [] } }",
        "a = +1_000\nb = -0\nc = 0xDEAD_beef\nd = 0o755\ne = 0b1_0\nf = 6.6e-3_4\ng = 1e6\nh = -inf\ni = nan\nj = 1_0.0_1",
        "a = 2024-11-29T03:34:20.5Z\nb = 2024-11-29 03:34:20+01:00\nc = 2024-11-29\nd = 03:34:20\ne = 2024-11-29t03:34:20",
        "a = true\nb = false",
        "\"\" = 1\n1 = 2\n'a.b' = 3\n-_ = 4",
    ],
)
def test_what_the_specification_allows(text: str) -> None:
    assert compare(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("\na = 1\na = 2", "line 3: a is there already"),
        ("a.b = 1\na.b.c = 2", "line 2: b is there already"),
        ("[a]\n[a]", "line 2: a is there already"),
        ("a = {}\n[a.b]", "line 2: a is no table that can be added to"),
        ("a = []\n[[a]]", "line 2: a is there already, and no array of tables"),
        ("a = [{}]\n[a.b]", "line 2: a is no table that can be added to"),
        ("[[a]]\n[a]", "line 2: a is there already"),
        ("[a.b]\n[a]\nb.c = 1", "line 3: b is there already"),
        ("[x]\na.b = 1\n[x.a]", "line 3: a is there already"),
        ("a = {b = 1}\na.c = 2", "line 2: a is there already"),
        ("a = {b = 1,}", "line 1: a key is expected"),
        ("a = {b = 1 c = 2}", "line 1: a table in braces lacks , or }"),
        ("a = {b = 1\n}", "line 1: a table in braces lacks , or }"),
        ("a = [1 2]", "line 1: an array lacks , or ]"),
        ("a = 1 b = 2", "line 1: something follows where the line should end"),
        ("a", "line 1: = is expected after a key"),
        ("= 1", "line 1: a key is expected"),
        ("[a", "line 1: the name of a table lacks ]"),
        ("a = ", "line 1: a value is expected"),
        ("a = 01", "line 1: a value is expected"),
        ("a = 1__0", "line 1: a value is expected"),
        ("a = 1.", "line 1: a value is expected"),
        ("a = True", "line 1: a value is expected"),
        (f"a = {'1' * 1001}", "line 1: a value is expected"),
        ('a = "x', "line 1: a string is not closed, or has a character that needs an escape"),
        ('a = "x\ny"', "line 1: a string is not closed, or has a character that needs an escape"),
        ("a = 'x\x01'", "line 1: a string is not closed, or has a character that needs an escape"),
        ("a = '''x", "line 1: a string is not closed, or has a character that needs an escape"),
        (r'a = "\x"', "line 1: there is no escape \\x"),
        (r'a = "\ud800"', "line 1: there is no character d800"),
        ("a = 1 # \x00", "line 1: something follows where the line should end"),
        (f"a = {'[' * 60}", "line 1: values are nested too deeply"),
    ],
)
def test_what_it_does_not(text: str, message: str) -> None:
    with pytest.raises(InvalidToml) as caught:
        parse_toml(text)
    assert str(caught.value) == message


KEYS = st.sampled_from(["a", "b", "c-d", "", "e.f", "é"])
VALUES = st.recursive(
    st.one_of(st.booleans(), st.integers(), st.floats(), st.text(alphabet="ab'\"\\\n\t\x7f\u00e9#", max_size=6)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=3)),
    max_leaves=8,
)


def written(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {written(member)}" for key, member in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",\n".join(map(written, value)) + "]"
    return json.dumps(value).replace("\x7f", "\\u007f") if isinstance(value, str) else repr(value)


@given(st.dictionaries(KEYS, VALUES, max_size=4), st.booleans())
def test_what_is_written_is_read(content: dict[str, Any], tables: bool) -> None:
    """As pairs, and every table among them under a header of its own."""
    text = ""
    headers = {key: value for key, value in content.items() if tables and isinstance(value, dict)}
    text += "".join(f"{json.dumps(key)} = {written(value)}\n" for key, value in content.items() if key not in headers)
    for key, table in headers.items():
        text += f"[[{json.dumps(key)}]]\n" + "".join(f"{json.dumps(k)} = {written(v)}\n" for k, v in table.items())
    assert compare(text)


PIECES = [
    "a", "b", ".", " = ", "1", "\n", "[", "]", "[[", "]]", "{", "}", ", ", '"', "'", '"""', "'''",
    "\\", "#", "0x", "_", "e", "-", "true", "2024-01-01", "\t", "u0041",
]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=14).map("".join))
def test_any_text_is_read_as_tomllib_reads_it_or_refused(text: str) -> None:
    compare(text)
