# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pins: fully pinned requirements, from a list or from the text of a requirements file.

The format is that of pip ("Requirements File Format" in its documentation), less everything that does not pin:
each line that could install something else than one known version is refused, with its place and a remedy.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Optional

from .markers import Marker
from .masking import masked
from .pep440 import same_version
from .pep508 import InvalidRequirement, Requirement, parse_requirement
from .problems import Problem, show

#: The algorithms that pip accepts, and the number of hexadecimal digits of each.
HASH_DIGITS = {"sha256": 64, "sha384": 96, "sha512": 128}
_COMMENT = re.compile(r"(?:^|\s+)#.*\Z", re.DOTALL)
_OPTION = re.compile(r"\s+(?=--?[A-Za-z])")
_PINNED = "a requirement pinned with =="
_FLATTEN = "Write its pins out here, as pip freeze or pip-compile do"
_WHEEL = "Build a wheel, pin name==version and give its folder as find_links"

#: What to do about a line that is an option of pip.
_OPTION_REMEDIES = {
    "-e": f"What is editable has no version to pin. {_WHEEL}",
    "--editable": f"What is editable has no version to pin. {_WHEEL}",
    "-r": _FLATTEN,
    "--requirement": _FLATTEN,
    "-c": _FLATTEN,
    "--constraint": _FLATTEN,
    "-i": "Take the line out and give the option index_url",
    "--index-url": "Take the line out and give the option index_url",
    "--extra-index-url": "Take the line out and give the option extra_index_urls",
    "-f": "Take the line out and give the option find_links",
    "--find-links": "Take the line out and give the option find_links",
    "--no-index": "Take the line out and give the option no_index",
    "--require-hashes": "Take the line out and give the option require_hashes",
}


@dataclass(frozen=True)
class Pin:
    """One distribution at one version.

    ``name`` and ``extras`` are normalised, ``hashes`` look like ``sha256:<hexadecimal digits>``, ``place`` says where
    the pin stands.
    """

    name: str
    version: str
    extras: tuple[str, ...] = ()
    marker: Optional[Marker] = None
    hashes: frozenset[str] = frozenset()
    place: str = ""

    @property
    def requirement(self) -> str:
        """The pin as a requirement, without marker and hashes."""
        extras = f"[{','.join(self.extras)}]" if self.extras else ""
        return f"{self.name}{extras}=={self.version}"

    @property
    def line(self) -> str:
        """The pin as a line of a requirements file for pip, with its hashes."""
        return " ".join([self.requirement, *(f"--hash={digest}" for digest in sorted(self.hashes))])


class _Unpinned(ValueError):
    """A line that pins nothing, with what was expected instead and what to do."""

    def __init__(self, expected: str, remedy: str) -> None:
        super().__init__(expected)
        self.expected = expected
        self.remedy = remedy


def _is_address(text: str) -> bool:
    path_like = text.startswith((".", "/", "~")) or re.search(r"\.(?:whl|zip|tar\.\w+|tgz)\Z", text)
    return "://" in text.partition(";")[0] or bool(path_like)


def _version_of(requirement: Requirement) -> str:
    """Return the one version that the requirement allows."""
    name = requirement.name
    if requirement.url:
        raise _Unpinned(_PINNED, f"An address pins no version. {_WHEEL}")
    if not requirement.specifier:
        raise _Unpinned(_PINNED, f"Write {name}==<version>")
    clause = requirement.specifier[0]
    if len(requirement.specifier) > 1 or clause.operator not in ("==", "==="):
        raise _Unpinned(_PINNED, f"A range installs what is newest on the day. Write {name}==<version>")
    if clause.operator == "===":
        raise _Unpinned(_PINNED, "Write == instead of ===")
    if clause.wildcard:
        raise _Unpinned(_PINNED, f"{clause.text} is a range. Write the whole version")
    return clause.text


def _hashes(options: str) -> frozenset[str]:
    """Return the hashes among a requirement's options."""
    try:
        words = shlex.split(options)
    except ValueError:
        raise _Unpinned("options that can be read", "Close the quotes") from None
    hashes = set()
    while words:
        name, equals, value = words.pop(0).partition("=")
        if name != "--hash":
            raise _Unpinned("no option but --hash", f"Take {name} out")
        if not equals and words:
            value = words.pop(0)
        algorithm, _colon, digits = value.partition(":")
        if not re.fullmatch(rf"[0-9a-fA-F]{{{HASH_DIGITS.get(algorithm, 0)}}}", digits) or not digits:
            kinds = ", ".join(f"{kind} ({count} hexadecimal digits)" for kind, count in HASH_DIGITS.items())
            raise _Unpinned(f"a hash of {kinds}", "Copy the hash from the index or the lock file")
        hashes.add(f"{algorithm}:{digits.lower()}")
    return frozenset(hashes)


def _parse_line(line: str, place: str) -> Pin:
    """Return the pin of one logical line. Raises :class:`_Unpinned`."""
    if line.startswith("-"):
        option = re.split(r"[\s=]", line, maxsplit=1)[0]
        remedy = _OPTION_REMEDIES.get(option, "Take the line out")
        raise _Unpinned(f"{_PINNED}, no option of pip", remedy)
    if _is_address(line):
        raise _Unpinned(_PINNED, f"An address pins no version. {_WHEEL}")
    text, *options = _OPTION.split(line, maxsplit=1)
    try:
        requirement = parse_requirement(text)
    except InvalidRequirement as error:
        raise _Unpinned(_PINNED, f"It cannot be read: {error}") from None
    return Pin(
        name=requirement.name,
        version=_version_of(requirement),
        extras=requirement.extras,
        marker=requirement.marker,
        hashes=_hashes(options[0]) if options else frozenset(),
        place=place,
    )


def _pin_or_problem(line: str, place: str, problems: list[Problem]) -> list[Pin]:
    try:
        return [_parse_line(line, place)]
    except _Unpinned as refused:
        problems.append(Problem(place, show(masked(line)), masked(refused.expected), masked(refused.remedy)))
        return []


def parse_pins(entries: Sequence[str], option: str, problems: list[Problem]) -> list[Pin]:
    """Return the pins of a list with one requirement in each entry; what is wrong goes to ``problems``."""
    pins = []
    for index, entry in enumerate(entries):
        place = f"{option}[{index}]"
        line = _COMMENT.sub("", entry).strip()
        if not line or "\n" in line:
            problems.append(Problem(place, show(masked(entry)), _PINNED, "Write one requirement in each entry"))
        else:
            pins += _pin_or_problem(line, place, problems)
    return pins


def _logical_lines(text: str) -> Iterable[tuple[int, str]]:
    """Yield the number of its first line, and the text, of each logical line (a backslash joins it to the next)."""
    first, parts = 0, [""]
    for number, raw in enumerate(text.lstrip("\ufeff").splitlines(), start=1):
        first = first or number
        is_comment = raw.lstrip().startswith("#")
        if raw.endswith("\\") and not is_comment:
            parts.append(raw[:-1])
            continue
        yield first, "".join([*parts, " " + raw if is_comment else raw])
        first, parts = 0, [""]
    if first:
        yield first, "".join(parts)


def parse_requirements_text(text: str, option: str, problems: list[Problem]) -> list[Pin]:
    """Return the pins of a requirements file's ``text``; what is wrong goes to ``problems``, with its line."""
    pins = []
    for number, line in _logical_lines(text):
        line = _COMMENT.sub("", line).strip()
        if line:
            pins += _pin_or_problem(line, f"{option}, line {number}", problems)
    return pins


def pins_for(pins: Iterable[Pin], environment: Mapping[str, str]) -> list[Pin]:
    """Return the pins whose marker holds in ``environment`` (the values of :data:`.markers.VARIABLES`), without it."""
    variables = {**environment, "extra": ""}
    return [replace(pin, marker=None) for pin in pins if pin.marker is None or pin.marker.holds(variables)]


def _merge(first: Pin, second: Pin, problems: list[Problem]) -> Pin:
    """Return two pins of one project as one."""
    if not (same_version(first.version, second.version) and same_version(second.version, first.version)):
        expected = f"the version of {first.place} ({first.requirement})"
        problems.append(Problem(second.place, show(second.requirement), expected, "Pin each project once"))
    hashes = first.hashes | second.hashes
    if first.hashes and second.hashes:
        hashes = first.hashes & second.hashes
        if not hashes:
            expected = f"a hash that {first.place} has too"
            problems.append(Problem(second.place, show(second.requirement), expected, "Pin each project once"))
    return replace(first, extras=tuple(sorted({*first.extras, *second.extras})), hashes=hashes)


def combine(pins: Iterable[Pin], require_hashes: bool, problems: list[Problem]) -> list[Pin]:
    """Return one pin for each project, sorted by name.

    Two versions of one project go to ``problems``, and so do pins without a hash when ``require_hashes`` is set
    or another pin has one: pip refuses such a mixture.
    """
    combined: dict[str, Pin] = {}
    for pin in pins:
        known = combined.get(pin.name)
        combined[pin.name] = pin if known is None else _merge(known, pin, problems)
    hashed = [pin for pin in combined.values() if pin.hashes]
    if hashed or require_hashes:
        why = "require_hashes is set" if require_hashes else f"{hashed[0].place} has one"
        for pin in combined.values():
            if not pin.hashes:
                expected = f"a hash ({why})"
                problems.append(Problem(pin.place, show(pin.requirement), expected, "Add --hash=sha256:<digits>"))
    return [combined[name] for name in sorted(combined)]
