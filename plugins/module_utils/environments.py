# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The list ``stability_environments``: validated as a whole, every problem at once.

The options of the module ``pip_pinned`` are one item of it, checked by the same table.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Optional

from . import values as v
from .masking import has_credentials, masked_value
from .problems import InvalidInput, ListOf, Problem, show
from .requirements import Pin, combine, parse_pins, parse_requirements_text

#: The interpreter that makes a virtual environment when none is named.
DEFAULT_PYTHON = "/usr/bin/python3"
#: Stands in ``smoke_test`` for the interpreter of the virtual environment.
PYTHON_PLACEHOLDER = "{python}"
_SOURCES = ("pins", "requirements", "requirements_content")
#: Keys that only the module has, and what to do in the list.
MODULE_KEYS = {
    "interpreter": "Name a virtual environment with virtualenv, or call the module pip_pinned",
    "gates_as": "Take it out: it is the user and group of the first service of stability_services that runs there",
}
#: Keys that say how a virtual environment is made, switched and kept.
_NOT_IN_PLACE = ("python", "gates_as", "stop_before_switch")


@dataclass(frozen=True)
class Environment:
    """One checked item; ``place`` is its place in the list (``stability_environments[3]``), for messages.

    ``pins`` holds what ``pins`` and ``requirements_content`` say, markers not evaluated yet; ``requirements`` is the path of
    a file on the host, read there. ``python``, ``run_as`` and ``gates_as`` (``user`` or ``user:group``) are empty when not
    given. ``interpreter`` is a Python outside of any virtual environment, and ``virtualenv`` empty then.
    """

    place: str
    virtualenv: str
    pins: tuple[Pin, ...] = ()
    requirements: str = ""
    python: str = ""
    run_as: str = ""
    gates_as: str = ""
    reinstall: str = "drifted"
    pip_check: str = "new"
    locked: bool = False
    imports: str = "new"
    references: str = "fail"
    sources: tuple[str, ...] = ()
    installer: str = "auto"
    smoke_test: tuple[str, ...] = ()
    stop_before_switch: bool = False
    index_url: str = ""
    extra_index_urls: tuple[str, ...] = ()
    find_links: tuple[str, ...] = ()
    no_index: bool = False
    require_hashes: bool = False
    keep_generations: int = 2
    state: str = "present"
    interpreter: str = ""

    @property
    def subject(self) -> str:
        """The path of what is changed."""
        return self.virtualenv or self.interpreter

    def option(self, key: str) -> str:
        """Return how a message names the key: ``stability_environments[3].pins``, or ``pins`` for the module."""
        return f"{self.place}.{key}" if self.place else key


def _folder(value: object) -> str:
    folder = re.sub(r"/+", "/", v.path(v.filled_text(value)))
    if folder == "/":
        raise v.Refused("the folder of a virtual environment", "Write its path, such as /opt/app/venv")
    if re.search(r"\s", folder):
        raise v.Refused(
            "a path without blanks", "Scripts of an environment name its path in their first line; rename it"
        )
    return folder


def _entries(value: object) -> list[str]:
    if not isinstance(value, (list, tuple)):
        raise v.Refused("a list of requirements", "Write a list, one requirement in each entry")
    entries: list[str] = v.list_of(_entry)(value)
    return entries


def _entry(value: object) -> str:
    if isinstance(value, Mapping):
        raise v.Refused("text", "Write name==version, without a colon")
    return v.word(value)


def _content(value: object) -> str:
    return v.word(value)


def _address(value: object) -> str:
    """The address of an index."""
    address = v.filled_text(value)
    if re.search(r"\s", address) or not re.match(r"(?:https?|file)://", address):
        raise v.Refused(
            "the address of an index: https://…, http://… or file://…", "Write the whole address, without blanks"
        )
    return address


def _links(value: object) -> str:
    """A folder or page of distribution archives."""
    place = v.filled_text(value)
    if has_credentials(place):
        raise v.Refused("a place without credentials", "Give what needs credentials as index_url or extra_index_urls")
    if re.search(r"\s", place) or not (place.startswith("/") or "://" in place):
        raise v.Refused("an absolute path or an address", "Write the whole path or address, without blanks")
    return place


def _user_and_group(value: object) -> str:
    return ":".join(map(v.account, v.filled_text(value).split(":", 1)))


def _smoke_test(value: object) -> list[str]:
    if not isinstance(value, (list, tuple)) or not value:
        raise v.Refused("a list of text that is not empty", "Write the program and its arguments as a list")
    words: list[str] = v.list_of(v.word)(value)
    if not words[0].startswith(("/", PYTHON_PLACEHOLDER)):
        expected = f"an absolute path, or {PYTHON_PLACEHOLDER}"
        raise v.Refused(expected, "Write the whole path from /", "[0]", value[0])
    return words


#: Every key of an item and its checker.
KEYS: dict[str, v.Checker] = {
    "virtualenv": _folder,
    "interpreter": v.path,
    "python": v.path,
    "run_as": v.account,
    "gates_as": _user_and_group,
    "pins": _entries,
    "requirements": v.path,
    "requirements_content": _content,
    "reinstall": v.one_of("drifted", "always"),
    "pip_check": v.one_of("strict", "new", "ignore"),
    "locked": v.boolean,
    "imports": v.one_of("strict", "new", "ignore"),
    "references": v.one_of("fail", "warn", "ignore"),
    "sources": v.list_of(v.path),
    "installer": v.one_of("auto", "pip", "uv"),
    "smoke_test": _smoke_test,
    "stop_before_switch": v.boolean,
    "index_url": _address,
    "extra_index_urls": v.list_of(_address),
    "find_links": v.list_of(_links),
    "no_index": v.boolean,
    "require_hashes": v.boolean,
    "keep_generations": v.count,
    "state": v.one_of("present", "rolled_back"),
}


class _Item:
    """One item while it is checked."""

    def __init__(self, place: str, raw: Mapping[Any, Any], problems: list[Problem]) -> None:
        self.place = place
        self.raw = raw
        self.problems = problems

    def option(self, key: object) -> str:
        return f"{self.place}.{key}" if self.place else str(key)

    def add(self, key: object, found: str, expected: str, remedy: str) -> None:
        self.problems.append(Problem(self.option(key), found, expected, remedy))


def _quoted(value: object) -> str:
    """Return a value as a message may quote it; masked before it is cut, so that no half of a secret is left."""
    return show(masked_value(value))


def _check_known(item: _Item) -> None:
    known = [key for key in KEYS if not (item.place and key in MODULE_KEYS)]
    for key in item.raw:
        if key in known:
            continue
        if key in MODULE_KEYS:
            item.add(key, "an option of the module alone", "a key of an environment", MODULE_KEYS[key])
            continue
        near = difflib.get_close_matches(str(key), known, n=1)
        remedy = f"Did you mean {near[0]}" if near else f"The keys are {', '.join(known)}"
        item.add(key, "an unknown key", "a key of an environment", remedy)


def _check_in_place(item: _Item) -> None:
    """Refuse what has no meaning for a Python outside of any virtual environment."""
    if "virtualenv" in item.raw:
        item.add("interpreter", "virtualenv as well", "one of the two", "Take one of them out")
    for key in _NOT_IN_PLACE:
        if item.raw.get(key):
            item.add(key, "interpreter as well", "a virtual environment", f"Take {key} out")
    if item.raw.get("state") == "rolled_back":
        remedy = "Pin the versions to go back to"
        item.add("state", "rolled_back", "present, since nothing is kept of an interpreter's distributions", remedy)
    if item.raw.get("installer") == "uv":
        item.add("installer", "uv", "auto or pip, since uv does not rehearse", "Take installer out")


def _checked_values(item: _Item) -> dict[str, Any]:
    """Return the values by key; problems go to the item."""
    checked: dict[str, Any] = {}
    for key, check in KEYS.items():
        if key not in item.raw:
            continue
        raw = item.raw[key]
        if raw is None:
            item.add(key, "no value", "a value", "Write one or take the key out")
            continue
        try:
            checked[key] = check(raw)
        except v.Refused as refused:
            for fault in refused.faults:
                found = _quoted(fault.found(raw))
                item.add(f"{key}{fault.place}", found, fault.expected, fault.remedy)
    if "interpreter" in item.raw and not item.place:
        _check_in_place(item)
    elif "virtualenv" not in item.raw:
        item.add("virtualenv", "nothing", "the folder of the virtual environment", "Add the key virtualenv")
    if checked.get("state") != "rolled_back" and not any(key in item.raw for key in _SOURCES):
        item.add(
            "pins",
            "nothing",
            "pins, requirements or requirements_content",
            "Say what it must hold; pins: [] for nothing",
        )
    return checked


def parse_environment(raw: Mapping[Any, Any], place: str, problems: list[Problem]) -> Optional[Environment]:
    """Return one checked item; ``place`` begins the options' names in messages, empty for a module's own options.

    What is wrong goes to ``problems``, and then ``None`` is returned.
    """
    before = len(problems)
    item = _Item(place, raw, problems)
    _check_known(item)
    checked = _checked_values(item)
    pins = parse_pins(checked.get("pins", ()), item.option("pins"), problems)
    content = checked.get("requirements_content", "")
    pins += parse_requirements_text(content, item.option("requirements_content"), problems)
    # Which pins with a marker count is known only on the host.
    combine([pin for pin in pins if pin.marker is None], checked.get("require_hashes", False), problems)
    if len(problems) > before:
        return None
    return Environment(
        place=place,
        virtualenv=checked.get("virtualenv", ""),
        pins=tuple(pins),
        requirements=checked.get("requirements", ""),
        python=checked.get("python", ""),
        run_as=checked.get("run_as", ""),
        gates_as=checked.get("gates_as", ""),
        reinstall=checked.get("reinstall", "drifted"),
        pip_check=checked.get("pip_check", "new"),
        locked=checked.get("locked", False),
        imports=checked.get("imports", "new"),
        references=checked.get("references", "fail"),
        sources=tuple(checked.get("sources", ())),
        installer=checked.get("installer", "auto"),
        smoke_test=tuple(checked.get("smoke_test", ())),
        stop_before_switch=checked.get("stop_before_switch", False),
        index_url=checked.get("index_url", ""),
        extra_index_urls=tuple(checked.get("extra_index_urls", ())),
        find_links=tuple(checked.get("find_links", ())),
        no_index=checked.get("no_index", False),
        require_hashes=checked.get("require_hashes", False),
        keep_generations=checked.get("keep_generations", 2),
        state=checked.get("state", "present"),
        interpreter=checked.get("interpreter", ""),
    )


def _check_unique(option: str, paths: Mapping[int, str], problems: list[Problem]) -> None:
    first: dict[str, int] = {}
    for index, path in paths.items():
        if path in first:
            expected = f"an environment of its own ({option}[{first[path]}] has this one)"
            problems.append(Problem(f"{option}[{index}].virtualenv", show(path), expected, "Make one item of the two"))
        first.setdefault(path, index)


def parse_environments(raw: object, option: str = "stability_environments") -> list[Environment]:
    """Return the checked environments in the order of the list.

    ``raw`` is the list as YAML gave it; ``None`` counts as empty. Raises :class:`InvalidInput` with every problem of every
    item, each named by ``option``.
    """
    problems: list[Problem] = []
    environments = []
    paths: dict[int, str] = {}
    for index, member in ListOf("environments", "virtualenv and pins", _quoted).members(raw, option, problems):
        environment = parse_environment(member, f"{option}[{index}]", problems)
        if isinstance(member.get("virtualenv"), str):
            paths[index] = re.sub(r"/+", "/", member["virtualenv"]).rstrip("/")
        if environment is not None:
            environments.append(environment)
    _check_unique(option, paths, problems)
    if problems:
        raise InvalidInput(problems)
    return environments
