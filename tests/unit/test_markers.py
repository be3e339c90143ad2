# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Environment markers against the library packaging."""

from __future__ import annotations

import packaging.markers
import pytest
from ansible_collections.stability.baseline.plugins.module_utils.markers import InvalidMarker, parse_marker
from hypothesis import given
from hypothesis import strategies as st

ENVIRONMENT = {
    "implementation_name": "cpython",
    "implementation_version": "3.11.2",
    "os_name": "posix",
    "platform_machine": "x86_64",
    "platform_python_implementation": "CPython",
    "platform_release": "6.1.0-28-amd64",
    "platform_system": "Linux",
    "platform_version": "#1 SMP PREEMPT_DYNAMIC Debian 6.1.119-1",
    "python_full_version": "3.11.2",
    "python_version": "3.11",
    "sys_platform": "linux",
    "extra": "",
}
NAMES = st.sampled_from([*ENVIRONMENT, "os.name", "sys.platform", "python_implementation", "platform.machine"])
TEXTS = st.sampled_from(
    [
        "3.11",
        "3.9",
        "3.11.2",
        "3.12.0rc1",
        "4",
        "3.11.*",
        "linux",
        "linux2",
        "x86_64",
        "win32",
        "CPython",
        "posix",
        "",
        "a-b",
        "6.1",
    ]
)
QUOTED = st.builds(lambda text, quote: quote + text + quote, TEXTS, st.sampled_from(["'", '"']))
OPERATORS = st.sampled_from(["==", "!=", "<", "<=", ">", ">=", "~=", "===", "in", "not in", "not   in"])
COMPARISONS = st.one_of(
    st.builds("{} {} {}".format, NAMES, OPERATORS, QUOTED), st.builds("{} {} {}".format, QUOTED, OPERATORS, NAMES)
)
MARKERS = st.recursive(
    COMPARISONS,
    lambda inner: st.one_of(
        st.builds("({})".format, inner),
        st.builds("{} {} {}".format, inner, st.sampled_from(["and", "or"]), inner),
    ),
    max_leaves=5,
)


def _theirs(text: str) -> bool | None:
    """What packaging makes of the marker; ``None`` when it refuses it."""
    try:
        return packaging.markers.Marker(text).evaluate(ENVIRONMENT)
    except (packaging.markers.InvalidMarker, packaging.markers.UndefinedComparison):
        return None


def _ours(text: str) -> bool | None:
    try:
        return parse_marker(text).holds(ENVIRONMENT)
    except InvalidMarker:
        return None


@given(MARKERS)
def test_a_marker_holds_where_packaging_says_so(text: str) -> None:
    ours, theirs = _ours(text), _theirs(text)
    # A comparison that may be undefined is refused before it is known whether it would be reached.
    assert ours == theirs or (ours is None and ("~=" in text or "===" in text))


@given(st.text(alphabet="ox_=<>~!'\" ()andrin3.1", max_size=20))
def test_what_packaging_cannot_read_is_refused(text: str) -> None:
    assert (_ours(text) is None) or (_theirs(text) is not None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("python_version", "the marker 'python_version' ends too early"),
        ("python_version = '3'", "the marker \"python_version = '3'\" cannot be read from \"= '3'\" on"),
        ("python_version '3' '4'", "the marker \"python_version '3' '4'\" has '3' where a comparison is expected"),
        ("(python_version > '3'", "the marker \"(python_version > '3'\" lacks a closing bracket"),
        ("python_version > '3')", "the marker \"python_version > '3')\" goes on with )"),
        ("'3' > '4'", "the marker \"'3' > '4'\" must compare a variable with text in quotes"),
        (
            "pyhton_version > '3'",
            "the marker \"pyhton_version > '3'\" uses pyhton_version, which is no marker variable",
        ),
        ("os_name ~= '3.1'", "the marker \"os_name ~= '3.1'\" uses ~= on os_name, which is no version"),
        ("'3.1' ~= python_version", "the marker \"'3.1' ~= python_version\" wants python_version on the left of ~="),
        (
            "python_version ~= '3'",
            "the marker \"python_version ~= '3'\" cannot be compared: '~=3': ~= wants a release of two numbers or more",
        ),
    ],
)
def test_what_is_no_marker(text: str, message: str) -> None:
    with pytest.raises(InvalidMarker) as caught:
        parse_marker(text)
    assert str(caught.value) == message
