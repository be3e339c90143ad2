# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requirements against the library packaging."""

from __future__ import annotations

import packaging.requirements
import pytest
from ansible_collections.stability.baseline.plugins.module_utils.names import normalised
from ansible_collections.stability.baseline.plugins.module_utils.pep508 import InvalidRequirement, parse_requirement
from hypothesis import assume, given
from hypothesis import strategies as st
from packaging.utils import canonicalize_name

NAMES = st.sampled_from(["flask", "Flask", "zope.interface", "ruamel.yaml.clib", "a", "A_b-C", "x2", "Py.Test__x"])
EXTRAS = st.sampled_from(["", "[socks]", "[a, B_c]", " [x.y,z] ", "[]", "[ ]", "[a,]", "[a b]"])
SPECIFIERS = st.sampled_from(
    [
        "",
        "==1.0",
        " == 1.0 ",
        "(==1.0)",
        "( >=1,<2 )",
        ">=1.0, !=1.3.*",
        "~=2.2",
        "===odd",
        "==1.*",
        "=1",
        ">1,,<2",
        "==",
        "1.0",
        ",>1",
    ]
)
MARKERS = st.sampled_from(
    ["", ";os_name=='posix'", ' ; python_version < "3.9" and extra == "x"', ";", "; nonsense", ";os_name"]
)
ADDRESSES = st.sampled_from(
    ["@ https://example.org/a.whl", "@file:///a.whl", "@ https://example.org/a;b ; os_name=='nt'", "@"]
)
REQUIREMENTS = st.one_of(
    st.builds("".join, st.tuples(NAMES, EXTRAS, SPECIFIERS, MARKERS)),
    st.builds("".join, st.tuples(NAMES, EXTRAS, ADDRESSES, MARKERS)),
    st.text(alphabet="ab1._-[]()=<>;, @'", max_size=12),
)


@given(REQUIREMENTS)
def test_a_requirement_has_the_parts_that_packaging_finds(text: str) -> None:
    try:
        theirs = packaging.requirements.Requirement(text)
    except packaging.requirements.InvalidRequirement:
        with pytest.raises(InvalidRequirement):
            parse_requirement(text)
        return
    # packaging lets a name end in an underscore; PEP 508 does not.
    assume(not theirs.name.endswith("_") and not any(extra.endswith("_") for extra in theirs.extras))
    ours = parse_requirement(text)
    assert ours.name == canonicalize_name(theirs.name)
    assert ours.extras == tuple(sorted(canonicalize_name(extra) for extra in theirs.extras))
    assert ours.url == (theirs.url or "")
    assert len(ours.specifier) == len(theirs.specifier)
    assert (ours.marker is None) == (theirs.marker is None)
    for version in ("1.0", "1.3.2", "1.5", "2.0", "2.3", "odd"):
        assert all(clause.matches(version) for clause in ours.specifier) == theirs.specifier.contains(
            version, prereleases=True
        )


@given(st.text(alphabet="aB1._-", min_size=1, max_size=10))
def test_names_are_normalised_as_packaging_does(name: str) -> None:
    assert normalised(name) == canonicalize_name(name)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("==1.0", "'==1.0' does not begin with the name of a project"),
        ("flask[a b]==1", "'a b' is no name of an extra"),
        ("flask>1,,<2", "'>1,,<2' has a comma too many"),
        ("flask 1.0", "'1.0' has no operator and version"),
        ("flask @ https://example.org/a.whl os_name", "'os_name' follows the address; a marker begins with ;"),
        ("flask; os", "the marker 'os' ends too early"),
    ],
)
def test_what_is_no_requirement(text: str, message: str) -> None:
    with pytest.raises(InvalidRequirement) as caught:
        parse_requirement(text)
    assert str(caught.value) == message
