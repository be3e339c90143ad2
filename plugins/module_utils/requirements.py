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

from .direct_references import BUILD_WHEEL, HASH_DIGITS, Unpinned, is_hash, needs_hash, parse_reference
from .markers import Marker
from .masking import masked
from .pep440 import same_version
from .pep508 import InvalidRequirement, Requirement, parse_requirement
from .problems import Problem, show

_COMMENT = re.compile(r"(?:^|\s+)#.*\Z", re.DOTALL)
_OPTION = re.compile(r"\s+(?=--?[A-Za-z])")
PINNED = "a requirement pinned with =="
_IN_A_FILE = "Write its pins out here, or give a file on the host as requirements, where it may stand"
_NAMELESS = "Write name @ https://…#sha256=<digits>, or name @ file:///… for a wheel on the host"

#: What to do about a line that is an option of pip.
_OPTION_REMEDIES = {
    "-e": f"What is editable has no version to pin. {BUILD_WHEEL}",
    "--editable": f"What is editable has no version to pin. {BUILD_WHEEL}",
    "-r": _IN_A_FILE,
    "--requirement": _IN_A_FILE,
    "-c": _IN_A_FILE,
    "--constraint": _IN_A_FILE,
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
    the pin stands. ``url`` is that of a direct reference with its hash, ``url_hashes`` says the same in the form of ``hashes``.
    """

    name: str
    version: str
    extras: tuple[str, ...] = ()
    marker: Optional[Marker] = None
    hashes: frozenset[str] = frozenset()
    place: str = ""
    url: str = ""
    url_hashes: frozenset[str] = frozenset()

    @property
    def requirement(self) -> str:
        """The pin as a requirement, without marker and hashes."""
        extras = f"[{','.join(self.extras)}]" if self.extras else ""
        return f"{self.name}{extras} @ {self.url}" if self.url else f"{self.name}{extras}=={self.version}"

    @property
    def all_hashes(self) -> frozenset[str]:
        """The hashes that the distribution archive may have, wherever they are written."""
        return self.hashes | self.url_hashes

    @property
    def line(self) -> str:
        """The pin as a line of a requirements file for pip, with its hashes."""
        return " ".join([self.requirement, *(f"--hash={digest}" for digest in sorted(self.hashes))])


class OpenRequirement(Unpinned):
    """A requirement that says a project, but not one version of it: a constraint may. Its ``hashes`` hold then, too."""

    def __init__(self, requirement: Requirement, expected: str, remedy: str) -> None:
        super().__init__(expected, remedy)
        self.requirement = requirement
        self.hashes: frozenset[str] = frozenset()


def _is_address(text: str) -> bool:
    path_like = text.startswith((".", "/", "~")) or re.search(r"\.(?:whl|zip|tar\.\w+|tgz)\Z", text)
    named = re.match(r"[A-Za-z0-9][\w.-]*\s*(?:\[[^\]]*\])?\s*@\s*\S", text)
    return not named and ("://" in text.partition(";")[0] or bool(path_like))


def _version_of(requirement: Requirement) -> str:
    """Return the one version that the requirement allows."""
    name = requirement.name
    if not requirement.specifier:
        raise OpenRequirement(requirement, PINNED, f"Write {name}==<version>")
    clause = requirement.specifier[0]
    if len(requirement.specifier) > 1 or clause.operator not in ("==", "==="):
        remedy = f"A range installs what is newest on the day. Write {name}==<version>"
        raise OpenRequirement(requirement, PINNED, remedy)
    if clause.operator == "===":
        raise Unpinned(PINNED, "Write == instead of ===")
    if clause.wildcard:
        raise OpenRequirement(requirement, PINNED, f"{clause.text} is a range. Write the whole version")
    return clause.text


def _hashes(options: str) -> frozenset[str]:
    """Return the hashes among a requirement's options."""
    try:
        words = shlex.split(options)
    except ValueError:
        raise Unpinned("options that can be read", "Close the quotes") from None
    hashes = set()
    while words:
        name, equals, value = words.pop(0).partition("=")
        if name != "--hash":
            raise Unpinned("no option but --hash", f"Take {name} out")
        if not equals and words:
            value = words.pop(0)
        if not is_hash(value):
            kinds = ", ".join(f"{kind} ({count} hexadecimal digits)" for kind, count in HASH_DIGITS.items())
            raise Unpinned(f"a hash of {kinds}", "Copy the hash from the index or the lock file")
        hashes.add(value.lower())
    return frozenset(hashes)


def option_of(line: str) -> str:
    """Return the name of the option of pip that the line is; empty when it is a requirement."""
    if line.startswith("--"):
        return re.split(r"[\s=]", line, maxsplit=1)[0]
    return line[:2] if line.startswith("-") else ""


def parse_line(line: str, place: str) -> Pin:
    """Return the pin of one logical line. Raises :class:`Unpinned`."""
    option = option_of(line)
    if option:
        remedy = _OPTION_REMEDIES.get(option, "Take the line out")
        raise Unpinned(f"{PINNED}, no option of pip", remedy)
    if _is_address(line):
        raise Unpinned(PINNED, f"An address says no project. {_NAMELESS}")
    text, *options = _OPTION.split(line, maxsplit=1)
    try:
        requirement = parse_requirement(text)
    except InvalidRequirement as error:
        raise Unpinned(PINNED, f"It cannot be read: {error}") from None
    hashes = _hashes(options[0]) if options else frozenset()
    common = Pin(requirement.name, "", requirement.extras, requirement.marker, hashes, place)
    if requirement.url:
        return _referenced(common, requirement.url)
    try:
        return replace(common, version=_version_of(requirement))
    except OpenRequirement as refused:
        refused.hashes = hashes
        raise


def _referenced(pin: Pin, url: str) -> Pin:
    """Return the pin of a direct reference."""
    reference = parse_reference(pin.name, url)
    pin = replace(pin, version=reference.version, url=url, url_hashes=reference.hashes)
    if needs_hash(url) and not pin.all_hashes:
        raise Unpinned("an address with a hash", "What it leads to may change. Add #sha256=<64 hexadecimal digits>")
    return pin


def problem_of(line: str, place: str, refused: Unpinned) -> Problem:
    """Return the problem of a line, without any credentials in it."""
    return Problem(place, show(masked(line)), masked(refused.expected), masked(refused.remedy))


def _pin_or_problem(line: str, place: str, problems: list[Problem]) -> list[Pin]:
    try:
        return [parse_line(line, place)]
    except Unpinned as refused:
        problems.append(problem_of(line, place, refused))
        return []


def parse_pins(entries: Sequence[str], option: str, problems: list[Problem]) -> list[Pin]:
    """Return the pins of a list with one requirement in each entry; what is wrong goes to ``problems``."""
    pins = []
    for index, entry in enumerate(entries):
        place = f"{option}[{index}]"
        line = _COMMENT.sub("", entry).strip()
        if not line or "\n" in line:
            problems.append(Problem(place, show(masked(entry)), PINNED, "Write one requirement in each entry"))
        else:
            pins += _pin_or_problem(line, place, problems)
    return pins


def _joined_lines(text: str) -> Iterable[tuple[int, str]]:
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


def logical_lines(text: str) -> Iterable[tuple[int, str]]:
    """Yield the number of its first line, and the text without comment, of each logical line that says something.

    A backslash joins a line to the next.
    """
    for number, line in _joined_lines(text):
        line = _COMMENT.sub("", line).strip()
        if line:
            yield number, line


def parse_requirements_text(text: str, option: str, problems: list[Problem]) -> list[Pin]:
    """Return the pins of a requirements file's ``text``; what is wrong goes to ``problems``, with its line."""
    pins = []
    for number, line in logical_lines(text):
        pins += _pin_or_problem(line, f"{option}, line {number}", problems)
    return pins


def pins_for(pins: Iterable[Pin], environment: Mapping[str, str]) -> list[Pin]:
    """Return the pins whose marker holds in ``environment`` (the values of :data:`.markers.VARIABLES`), without it."""
    return [replace(pin, marker=None) for pin in pins if holds(pin.marker, environment)]


def holds(marker: Optional[Marker], environment: Mapping[str, str]) -> bool:
    """Whether a requirement with that marker counts in ``environment``, no extra being asked for."""
    return marker is None or marker.holds({**environment, "extra": ""})


def merge(first: Pin, second: Pin, problems: list[Problem]) -> Pin:
    """Return two pins of one project as one; what they do not agree in goes to ``problems``, with the second one's place."""
    if first.url != second.url:
        expected = f"the origin of {first.place} ({masked(first.requirement)})"
        found = show(masked(second.requirement))
        problems.append(Problem(second.place, found, expected, "Pin each project once"))
    elif not (same_version(first.version, second.version) and same_version(second.version, first.version)):
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
        combined[pin.name] = pin if known is None else merge(known, pin, problems)
    hashed = [pin for pin in combined.values() if pin.hashes]
    if hashed or require_hashes:
        why = "require_hashes is set" if require_hashes else f"{hashed[0].place} has one"
        for pin in combined.values():
            if not pin.all_hashes:
                expected = f"a hash ({why})"
                found = show(masked(pin.requirement))
                problems.append(Problem(pin.place, found, expected, "Add --hash=sha256:<digits>"))
    return [combined[name] for name in sorted(combined)]
