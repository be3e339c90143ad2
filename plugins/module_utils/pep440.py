# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Versions of distributions and what matches them: PEP 440, with the standard library alone.

The reference implementation is the library ``packaging``, which a managed node need not have; the unit
tests compare the two.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import total_ordering
from typing import Optional, Union

_VERSION = re.compile(
    r"""\s*v?
    (?:(?P<epoch>[0-9]+)!)?
    (?P<release>[0-9]+(?:\.[0-9]+)*)
    (?:[-_.]?(?P<pre_word>alpha|beta|preview|pre|a|b|c|rc)[-_.]?(?P<pre_number>[0-9]+)?)?
    (?:-(?P<post_bare>[0-9]+)|[-_.]?(?P<post_word>post|rev|r)[-_.]?(?P<post_number>[0-9]+)?)?
    (?:[-_.]?(?P<dev_word>dev)[-_.]?(?P<dev_number>[0-9]+)?)?
    (?:\+(?P<local>[a-z0-9]+(?:[-_.][a-z0-9]+)*))?
    \s*\Z""",
    re.VERBOSE | re.IGNORECASE | re.ASCII,
)
_PRE_WORDS = {"alpha": "a", "beta": "b", "c": "rc", "pre": "rc", "preview": "rc"}
#: What :class:`Version` sorts by where a part is missing: before or after every number that could stand there.
_FIRST, _LAST = (-1, 0), (1, 0)
_LONGEST_VERSION = 1000

_Parts = tuple[str, int]
_Rank = tuple[int, int]


class InvalidVersion(ValueError):
    """Text that is not a version of PEP 440."""


@total_ordering
@dataclass(frozen=True, eq=False)
class Version:
    """A version in its parts; ``pre`` is ``("rc", 1)``, ``post`` and ``dev`` are numbers, ``None`` where there is none.

    Two are equal when PEP 440 says so: ``1.0`` and ``1.0.0``, ``1.0-rc.1`` and ``1.0rc1``.
    """

    epoch: int
    release: tuple[int, ...]
    pre: Optional[_Parts] = None
    post: Optional[int] = None
    dev: Optional[int] = None
    local: tuple[Union[int, str], ...] = field(default=())

    @property
    def significant_release(self) -> tuple[int, ...]:
        """The release without the zeros at its end."""
        count = len(self.release)
        while count > 1 and self.release[count - 1] == 0:
            count -= 1
        return self.release[:count]

    @property
    def public(self) -> Version:
        """The version without its local label."""
        return Version(self.epoch, self.release, self.pre, self.post, self.dev)

    @property
    def is_prerelease(self) -> bool:
        """Whether it is a pre-release or a developmental release."""
        return self.pre is not None or self.dev is not None

    def same_base(self, other: Version) -> bool:
        """Whether epoch and release are the same, whatever follows."""
        return (self.epoch, self.significant_release) == (other.epoch, other.significant_release)

    def _key(self) -> tuple[object, ...]:
        return (
            self.epoch,
            self.significant_release,
            self._pre_rank(),
            -1 if self.post is None else self.post,
            _LAST if self.dev is None else (0, self.dev),
            tuple((1, part, "") if isinstance(part, int) else (0, 0, part) for part in self.local),
        )

    def _pre_rank(self) -> tuple[_Rank, str, int]:
        if self.pre is not None:
            return ((0, 0), *self.pre)
        bare_dev = self.dev is not None and self.post is None
        return (_FIRST if bare_dev else _LAST, "", 0)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Version) and self._key() == other._key()

    def __lt__(self, other: Version) -> bool:
        return self._key() < other._key()

    def __hash__(self) -> int:
        return hash(self._key())


def _number(match: re.Match[str], word: str, number: str) -> Optional[int]:
    if match.group(word) is None:
        return None
    return int(match.group(number) or 0)


def _local(text: Optional[str]) -> tuple[Union[int, str], ...]:
    parts = re.split(r"[-_.]", text.lower()) if text else []
    return tuple(int(part) if part.isdigit() else part for part in parts)


def parse_version(text: str) -> Version:
    """Return the version that ``text`` spells (PEP 440, appendix B, case and separators of any kind).

    Raises :class:`InvalidVersion`.
    """
    match = _VERSION.match(text) if len(text) <= _LONGEST_VERSION else None
    if match is None:
        raise InvalidVersion(f"{text!r} is not a version of PEP 440")
    pre = None
    if match.group("pre_word"):
        word = match.group("pre_word").lower()
        pre = (_PRE_WORDS.get(word, word), int(match.group("pre_number") or 0))
    bare_post = match.group("post_bare")
    return Version(
        epoch=int(match.group("epoch") or 0),
        release=tuple(int(part) for part in match.group("release").split(".")),
        pre=pre,
        post=int(bare_post) if bare_post else _number(match, "post_word", "post_number"),
        dev=_number(match, "dev_word", "dev_number"),
        local=_local(match.group("local")),
    )


def is_version(text: str) -> bool:
    """Whether ``text`` is a version of PEP 440."""
    try:
        parse_version(text)
    except InvalidVersion:
        return False
    return True


def _equal(found: Version, wanted: Version) -> bool:
    return found == wanted if wanted.local else found.public == wanted


def _less(found: Version, wanted: Version) -> bool:
    if not wanted.is_prerelease:
        wanted = replace(wanted, dev=0)
    return found < wanted


def _greater(found: Version, wanted: Version) -> bool:
    is_post_of_wanted = found.post is not None and found.same_base(wanted) and found.pre == wanted.pre
    if is_post_of_wanted and wanted.post is None and wanted.dev is None:
        return False
    return found.public > wanted


def _compatible(found: Version, wanted: Version) -> bool:
    return found.public >= wanted and _has_prefix(found, Version(wanted.epoch, wanted.release[:-1]))


def _has_prefix(found: Version, prefix: Version) -> bool:
    size = len(prefix.release)
    padded = found.release + (0,) * size
    return found.epoch == prefix.epoch and padded[:size] == prefix.release


_COMPARISONS: dict[str, Callable[[Version, Version], bool]] = {
    "==": _equal,
    "!=": lambda found, wanted: not _equal(found, wanted),
    "<=": lambda found, wanted: found.public <= wanted,
    ">=": lambda found, wanted: found.public >= wanted,
    "<": _less,
    ">": _greater,
    "~=": _compatible,
}
_CLAUSE = re.compile(r"\s*(===|==|~=|!=|<=|>=|<|>)\s*(.*?)\s*\Z", re.DOTALL)


class InvalidClause(ValueError):
    """Text that is not one version clause of PEP 440, such as ``>=1.0``."""


@dataclass(frozen=True)
class Clause:
    """One clause of a version specifier: an operator and a version, or a prefix (``==1.2.*``)."""

    operator: str
    text: str
    version: Optional[Version]
    wildcard: bool = False

    def matches(self, candidate: str) -> bool:
        """Whether the version ``candidate`` satisfies the clause; one that is not of PEP 440 satisfies only ``===``."""
        if self.version is None:
            return candidate.strip().lower() == self.text.lower()
        try:
            found = parse_version(candidate)
        except InvalidVersion:
            return False
        if self.wildcard:
            return _has_prefix(found, self.version) == (self.operator == "==")
        return _COMPARISONS[self.operator](found, self.version)


def parse_clause(text: str) -> Clause:
    """Return the clause that ``text`` spells (PEP 440, "Version specifiers"). Raises :class:`InvalidClause`."""
    match = _CLAUSE.match(text)
    if match is None:
        raise InvalidClause(f"{text!r} has no operator and version")
    operator, wanted = match.groups()
    if operator == "===":
        if not wanted or re.search(r"[\s;)]", wanted):
            raise InvalidClause(f"{text!r} has no version")
        return Clause(operator, wanted, None)
    wildcard = wanted.endswith(".*")
    try:
        version = parse_version(wanted[:-2] if wildcard else wanted)
    except InvalidVersion as error:
        raise InvalidClause(str(error)) from None
    if wildcard and (operator not in ("==", "!=") or version != Version(version.epoch, version.release)):
        raise InvalidClause(f"{text!r}: .* follows only the release, and only with == or !=")
    if version.local and operator not in ("==", "!="):
        raise InvalidClause(f"{text!r}: a local version goes only with == and !=")
    if operator == "~=" and len(version.release) < 2:
        raise InvalidClause(f"{text!r}: ~= wants a release of two numbers or more")
    return Clause(operator, wanted, version, wildcard)


def parse_specifier(text: str) -> tuple[Clause, ...]:
    """Return the clauses of a comma-separated specifier; empty text has none. Raises :class:`InvalidClause`."""
    return tuple(parse_clause(part) for part in text.split(",") if part.strip())


def same_version(installed: str, pinned: str) -> bool:
    """Whether ``installed`` is the version that ``==pinned`` asks for.

    As PEP 440 says, a local label (``2.0+cpu``) counts only when the pin has one. Versions that are not of
    PEP 440 must be the same text.
    """
    if not is_version(installed) or not is_version(pinned):
        return installed.strip() == pinned.strip()
    return parse_clause(f"=={pinned}").matches(installed)
