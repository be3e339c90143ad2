# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PEP 440 against the library packaging: parsing, order, equality and every operator."""

from __future__ import annotations

import packaging.specifiers
import packaging.version
import pytest
from ansible_collections.stability.baseline.plugins.module_utils.pep440 import (
    InvalidClause,
    InvalidVersion,
    is_version,
    parse_clause,
    parse_specifier,
    parse_version,
    same_version,
)
from hypothesis import given
from hypothesis import strategies as st

SMALL = st.integers(0, 12).map(str)
SEPARATOR = st.sampled_from(["", ".", "-", "_"])
RELEASE = st.lists(SMALL, min_size=1, max_size=4).map(".".join)


def _word(*words: str) -> st.SearchStrategy[str]:
    number = st.one_of(st.just(""), st.builds("".join, st.tuples(SEPARATOR, SMALL)))
    spelled = st.builds("".join, st.tuples(SEPARATOR, st.sampled_from(words), number))
    return st.one_of(st.just(""), spelled)


VERSIONS = st.builds(
    "".join,
    st.tuples(
        st.sampled_from(["", "v", "1!", "0!"]),
        RELEASE,
        _word("a", "B", "rc", "c", "alpha", "beta", "pre", "preview", "RC"),
        st.one_of(_word("post", "rev", "r"), st.just("-3")),
        _word("dev", "DEV"),
        st.sampled_from(["", "", "", "+local", "+cu118.2", "+ubuntu-1", "+7"]),
    ),
)
OPERATORS = st.sampled_from(["==", "!=", "<=", ">=", "<", ">", "~=", "==="])
CLAUSES = st.one_of(
    st.builds("{}{}".format, OPERATORS, VERSIONS),
    st.builds("{}{}.*".format, st.sampled_from(["==", "!=", ">="]), st.one_of(RELEASE, VERSIONS)),
)


def _reference(text: str) -> packaging.version.Version | None:
    try:
        return packaging.version.Version(text)
    except packaging.version.InvalidVersion:
        return None


def _reference_clause(text: str) -> packaging.specifiers.Specifier | None:
    try:
        return packaging.specifiers.Specifier(text)
    except packaging.specifiers.InvalidSpecifier:
        return None


@given(st.one_of(VERSIONS, st.text(alphabet="0123456789.abcdevrpost+!-_ *", max_size=12)))
def test_the_same_texts_are_versions(text: str) -> None:
    assert is_version(text) == (_reference(text) is not None)


@given(VERSIONS, VERSIONS)
def test_order_and_equality_are_those_of_packaging(left: str, right: str) -> None:
    ours = parse_version(left), parse_version(right)
    theirs = packaging.version.Version(left), packaging.version.Version(right)
    assert (ours[0] < ours[1], ours[0] == ours[1]) == (theirs[0] < theirs[1], theirs[0] == theirs[1])
    assert ours[0] != ours[1] or hash(ours[0]) == hash(ours[1])


@given(CLAUSES, st.one_of(VERSIONS, st.just("5.10.0-28-amd64")))
def test_clauses_match_what_packaging_matches(clause: str, candidate: str) -> None:
    theirs = _reference_clause(clause)
    if theirs is None:
        with pytest.raises(InvalidClause):
            parse_clause(clause)
    else:
        assert parse_clause(clause).matches(candidate) == theirs.contains(candidate, prereleases=True)


@given(
    RELEASE,
    st.sampled_from(["rc1", ".post1", ".dev2", "a0.post2.dev1", ""]),
    st.sampled_from(["<", ">", "~=", "==", "<="]),
)
def test_neighbours_of_a_release_match_what_packaging_matches(release: str, suffix: str, operator: str) -> None:
    theirs = _reference_clause(operator + release + suffix)
    if theirs is not None:
        ours = parse_clause(operator + release + suffix)
        for end in (
            "",
            ".0",
            "rc1",
            ".post1",
            ".post1.dev2",
            ".dev3",
            "+local",
            ".post2+local",
            "rc2+local",
            ".dev1+local",
        ):
            assert ours.matches(release + end) == theirs.contains(release + end, prereleases=True), release + end


@pytest.mark.parametrize(
    ("installed", "pinned", "same"),
    [
        ("1.0", "1.0.0", True),
        ("1.0.0", "1", True),
        ("1.0rc1", "1.0-RC.1", True),
        ("1.0.post1", "1.0-1", True),
        ("1!1.0", "1.0", False),
        ("2.0+cpu", "2.0", True),
        ("2.0+cpu", "2.0+cpu", True),
        ("2.0+cpu", "2.0+cu118", False),
        ("2.0", "2.0+cpu", False),
        ("1.0.dev1", "1.0", False),
        ("2004d-legacy?", "2004d-legacy?", True),
        ("2004d-legacy?", "2004", False),
    ],
)
def test_same_version(installed: str, pinned: str, same: bool) -> None:
    assert same_version(installed, pinned) is same


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1.0", "'1.0' has no operator and version"),
        (">=", "'' is not a version of PEP 440"),
        ("===", "'===' has no version"),
        (">=1.*", "'>=1.*': .* follows only the release, and only with == or !="),
        ("==1.0rc1.*", "'==1.0rc1.*': .* follows only the release, and only with == or !="),
        ("<1.0+local", "'<1.0+local': a local version goes only with == and !="),
        ("~=1", "'~=1': ~= wants a release of two numbers or more"),
    ],
)
def test_what_is_no_clause(text: str, message: str) -> None:
    with pytest.raises(InvalidClause) as caught:
        parse_clause(text)
    assert str(caught.value) == message


def test_a_version_that_is_too_long_is_refused_at_once() -> None:
    with pytest.raises(InvalidVersion):
        parse_version("1." * 600 + "1")


def test_a_specifier_is_all_its_clauses() -> None:
    clauses = parse_specifier(" >=1.0 , <2 ,")
    assert [clause.matches("1.5") for clause in clauses] == [True, True]
    assert [clause.matches("2.0") for clause in clauses] == [True, False]
    assert parse_specifier("") == ()
