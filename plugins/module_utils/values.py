# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a value may be: one checker for each kind, in systemd's own terms.

A checker takes the value as YAML gave it and returns the value as systemd wants it, or raises
:class:`Refused` with what was expected and what to do.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

SECTIONS = ("Unit", "Service", "Timer", "Install")
QUOTE_IT = "Quote it, so that YAML leaves it as text"
_NUL = "text without the NUL character"
#: systemd.syntax(7): longer lines are refused (LONG_LINE_MAX, 1 MiB).
LONGEST_LINE = 1_000_000

#: Seconds in each unit of systemd.time(7), "Parsing Time Spans".
_SECONDS = {
    **dict.fromkeys(("usec", "us", "µs"), 1e-6),
    **dict.fromkeys(("msec", "ms"), 1e-3),
    **dict.fromkeys(("", "seconds", "second", "sec", "s"), 1.0),
    **dict.fromkeys(("minutes", "minute", "min", "m"), 60.0),
    **dict.fromkeys(("hours", "hour", "hr", "h"), 3600.0),
    **dict.fromkeys(("days", "day", "d"), 86400.0),
    **dict.fromkeys(("weeks", "week", "w"), 604800.0),
    **dict.fromkeys(("months", "month", "M"), 2629800.0),
    **dict.fromkeys(("years", "year", "y"), 31557600.0),
}
_SPAN_PART = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-zµ]*)\s*")
_SIZE = re.compile(r"[0-9]+(?:\.[0-9]+)?[KMGTPE]?\Z|[0-9]+(?:\.[0-9]+)?%\Z|infinity\Z")
_SIZE_FACTORS = {"K": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4, "P": 1024**5, "E": 1024**6}
_UNIT_SUFFIXES = (
    "service",
    "socket",
    "device",
    "mount",
    "automount",
    "swap",
    "target",
    "path",
    "timer",
    "slice",
    "scope",
)
UNIT_NAME = re.compile(r"[A-Za-z0-9:_.\\@-]+\.(?:" + "|".join(_UNIT_SUFFIXES) + r")\Z")
_INSTANCE = re.compile(r"[A-Za-z0-9:_.\\@-]+\Z")
ENVIRONMENT_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_ACCOUNT = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,30}\$?\Z")
_SIGNAL = re.compile(r"(?:SIG)?(?:RT(?:MIN|MAX)(?:[+-][0-9]+)?|[A-Z][A-Z0-9]{1,8})\Z")
TRUE = {"true", "yes", "on", "1"}
FALSE = {"false", "no", "off", "0"}
#: What YAML makes of text without quotes: yes, 0027, 1:30, 1.0e+3, 2024-01-01.
OTHER_SCALARS = (bool, int, float, date)
#: Digits of the longest number that systemd could hold (64 bits).
_LONGEST_NUMBER = 19
#: What stands for "no user or group" in 32 and in 16 bits; systemd refuses both.
_NO_ID, _NO_SHORT_ID = 2**32 - 1, 2**16 - 1


Checker = Callable[[object], Any]


class _Whole:
    """Stands for the whole value, where a fault is not about a part of it."""


class Hidden:
    """Stands for a value that a message must not show."""


_WHOLE = _Whole()
HIDDEN_VALUE = Hidden()


@dataclass(frozen=True)
class Fault:
    """What is wrong with a value, or with the part of it at ``place`` (``[2]``, ``.NAME``)."""

    expected: str
    remedy: str
    place: str = ""
    part: object = _WHOLE

    def found(self, whole: object) -> object:
        """Return what the message quotes: the part, or the whole value."""
        return whole if isinstance(self.part, _Whole) else self.part


class Refused(ValueError):
    """A value that cannot be used, with every fault in it."""

    def __init__(self, expected: str, remedy: str, place: str = "", part: object = _WHOLE) -> None:
        super().__init__(expected)
        self.faults = [Fault(expected, remedy, place, part)]

    @classmethod
    def of(cls, faults: list[Fault]) -> Refused:
        """Return one refusal with all ``faults``, of which there is at least one."""
        refused = cls(faults[0].expected, faults[0].remedy)
        refused.faults = faults
        return refused


class Faults:
    """Collects the faults of the parts of a value, so that all are reported at once."""

    def __init__(self) -> None:
        self.all: list[Fault] = []

    def check(self, check: Checker, part: object, place: str, hide: bool = False) -> Any:
        """Return the checked part; ``None`` when it has a fault, which is kept."""
        try:
            return check(part)
        except Refused as refused:
            for fault in refused.faults:
                shown = HIDDEN_VALUE if hide else fault.found(part)
                self.all.append(Fault(fault.expected, fault.remedy, place + fault.place, shown))
            return None

    def add(self, expected: str, remedy: str, place: str, part: object) -> None:
        """Keep one more fault."""
        self.all.append(Fault(expected, remedy, place, part))

    def raise_any(self) -> None:
        """Raise :class:`Refused` when a fault was kept."""
        if self.all:
            raise Refused.of(self.all)


def _size(value: str) -> int:
    """Return the length of ``value`` in bytes, as it is written into a file."""
    try:
        return len(value.encode("utf-8"))
    except UnicodeEncodeError:
        raise Refused("text that UTF-8 can hold", "Take the lone surrogate out") from None


def text(value: object) -> str:
    """One line of text."""
    if isinstance(value, OTHER_SCALARS):
        raise Refused("text", QUOTE_IT)
    if not isinstance(value, str):
        raise Refused("text", "Write one line of text")
    if "\n" in value or "\r" in value or "\0" in value:
        raise Refused("one line of text", "Take the line break or NUL out")
    if value.endswith("\\"):
        raise Refused(
            "text that does not end with a backslash", "systemd would join it with the next line; take it out"
        )
    if _size(value) > LONGEST_LINE:
        raise Refused(f"at most {LONGEST_LINE} bytes", "Put it into a file")
    return value


def filled_text(value: object) -> str:
    """One line of text that is not empty."""
    line = text(value)
    if not line.strip():
        raise Refused("text that is not empty", "Write a value or leave the key out")
    return line


def _is_noncharacter(code: int) -> bool:
    """Whether systemd counts a code point as invalid UTF-8 (src/basic/utf8.c, ``unichar_is_valid``)."""
    return 0xFDD0 <= code <= 0xFDEF or code & 0xFFFE == 0xFFFE


def word(value: object) -> str:
    """Text of any characters but NUL and Unicode's noncharacters: what systemd can hand to a process."""
    if isinstance(value, OTHER_SCALARS):
        raise Refused("text", QUOTE_IT)
    if not isinstance(value, str):
        raise Refused("text", "Write text")
    if "\0" in value:
        raise Refused(_NUL, "No process can receive a NUL character; take it out")
    size = _size(value)
    if any(_is_noncharacter(ord(character)) for character in value):
        raise Refused(
            "text without the Unicode noncharacters, such as U+FFFE",
            "systemd drops a variable with one, and a unit with one can no longer be inspected; take it out",
        )
    if size > LONGEST_LINE // 4:
        raise Refused(f"at most {LONGEST_LINE // 4} bytes", "Put it into a file")
    return value


def boolean(value: object) -> bool:
    """``true`` or ``false``; a survey's strings count too."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in TRUE | FALSE:
        return value.lower() in TRUE
    raise Refused("true or false", "Write true or false")


def is_number(digits: str) -> bool:
    """Whether ``digits`` are the decimal digits of a number that systemd could hold."""
    return digits.isascii() and digits.isdigit() and len(digits) <= _LONGEST_NUMBER


def count(value: object) -> int:
    """A whole number of 0 or more; digits in a string count too."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    if isinstance(value, str) and is_number(value):
        return int(value)
    raise Refused("a whole number of 0 or more", "Write a number")


def limit(value: object) -> str:
    """A number of 0 or more, ``soft:hard``, a percentage, or ``infinity``."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return str(value)
    if isinstance(value, str) and re.match(r"(?:[0-9]+|infinity)(?::(?:[0-9]+|infinity))?\Z|[0-9]+%\Z", value):
        return value
    raise Refused("a number, soft:hard or infinity", "Write a number, or quote soft:hard")


def seconds(span: str) -> float:
    """Return the length of a checked time span in seconds (``infinity`` gives the float of that name)."""
    if span.strip() == "infinity":
        return float("inf")
    return sum(float(number) * _SECONDS[unit] for number, unit in span_parts(span))


def span_parts(span: str) -> list[tuple[str, str]]:
    """Return the numbers of a checked time span, each with its unit; empty where none is written."""
    return _SPAN_PART.findall(span)


def time_span(value: object) -> str:
    """A time span of systemd.time(7): ``5s``, ``1min 30s``, ``infinity``; a bare ``0`` too."""
    if value == 0 and isinstance(value, int) and not isinstance(value, bool):
        return "0"
    if isinstance(value, OTHER_SCALARS):
        raise Refused("a time span such as 5s, 1min 30s or infinity", QUOTE_IT + " and write its unit")
    if isinstance(value, str):
        stripped = value.strip()
        parts = _SPAN_PART.findall(stripped)
        whole = "".join(match.group(0) for match in _SPAN_PART.finditer(stripped))
        if stripped == "infinity" or (parts and whole == stripped and all(unit in _SECONDS for _number, unit in parts)):
            return stripped
    raise Refused("a time span such as 5s, 1min 30s or infinity", "Write a number with a unit of systemd.time(7)")


def finite_span(value: object) -> str:
    """A time span that ends."""
    span = time_span(value)
    if seconds(span) == float("inf"):
        raise Refused("a time span that ends, such as 8s", "The run would wait for ever; write how long it may take")
    return span


def size(value: object) -> str:
    """A number of bytes with an optional K, M, G, T, P or E (factor 1024), a percentage, or ``infinity``."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return str(value)
    if isinstance(value, str) and _SIZE.match(value):
        return value
    raise Refused("a size such as 512M, 2G or infinity", "Write a number with K, M, G or T and no blank")


def byte_count(checked: str) -> float | None:
    """Return a checked size in bytes, or ``None`` for a percentage, which only the host can resolve."""
    if checked == "infinity":
        return float("inf")
    if checked.endswith("%"):
        return None
    if checked[-1] in _SIZE_FACTORS:
        return float(checked[:-1]) * _SIZE_FACTORS[checked[-1]]
    return float(checked)


def path(value: object) -> str:
    """An absolute path without ``.`` or ``..`` parts."""
    line = text(value)
    if not line.startswith("/"):
        raise Refused("an absolute path", "Write the whole path from /")
    if any(part in (".", "..") for part in line.split("/")):
        raise Refused("a path without . and .. in it", "Write the path that is meant")
    return line.rstrip("/") or "/"


def optional_path(value: object) -> str:
    """An absolute path; a leading ``-`` says that the file may be missing (systemd.exec(5))."""
    line = text(value)
    return "-" + path(line[1:]) if line.startswith("-") else path(line)


def relative_folder(value: object) -> str:
    """A folder name below a base of systemd's choice (``StateDirectory=``), never absolute."""
    line = filled_text(value)
    if (
        line.startswith("/")
        or any(part in ("", ".", "..") for part in line.split("/"))
        or re.search(r"\s|%(?![iI])", line)
    ):
        raise Refused("a relative folder name without blanks", "systemd puts it below /var/lib or /run; write its name")
    return line


def unit_name(value: object) -> str:
    """A unit's whole name with its suffix; specifiers of systemd.unit(5) may be in it, such as ``alert@%n.service``."""
    line = text(value)
    if not UNIT_NAME.match(re.sub(r"%[A-Za-z]", "x", line)):
        raise Refused("a unit name with its suffix, such as network-online.target", "Write the whole name")
    return line


def _instance(value: object) -> str:
    line = filled_text(value)
    if not _INSTANCE.match(line):
        raise Refused("letters, digits and :_.\\@-", "Escape others as systemd-escape(1) prints them")
    return line


def instances(value: object) -> list[str]:
    """The instances of a template unit, each once (systemd.unit(5)); an empty list is fine."""
    checked: list[str] = list_of(_instance)(value)
    for index, name in enumerate(checked):
        if name in checked[:index]:
            raise Refused("each instance once", "Take one of the two out", f"[{index}]", name)
    return checked


def account(value: object) -> str:
    """The name of a user or group, or a numeric id in a string."""
    line = filled_text(value)
    if not (_ACCOUNT.match(line) or is_number(line)):
        raise Refused("the name of a user or group", "Use letters, digits, _, - and at most 31 characters")
    if is_number(line) and (int(line) >= _NO_ID or int(line) == _NO_SHORT_ID):
        expected = f"the number of a user or group, below {_NO_ID} and not {_NO_SHORT_ID}"
        raise Refused(expected, "Nothing can run with another number; correct it")
    return line


def service_user(value: object) -> str:
    """The user of a service; ``nobody`` is refused, since whatever else runs as it could touch the service."""
    name = account(value)
    if name == "nobody":
        raise Refused("a user of its own", "Name one; a system user is made when it is missing")
    return name


def signal(value: object) -> str:
    """A signal's name."""
    line = text(value)
    if not _SIGNAL.match(line):
        raise Refused("the name of a signal, such as SIGTERM", "See signal(7)")
    return line


def file_mode(value: object) -> str:
    """An octal mode in quotes."""
    if isinstance(value, str) and re.match(r"0?[0-7]{3}\Z", value):
        return value
    raise Refused("an octal mode in quotes, such as '0027'", QUOTE_IT)


def one_of(*allowed: str) -> Checker:
    """Return a checker for one word of a fixed set."""
    listed = ", ".join(allowed)

    def check(value: object) -> str:
        if isinstance(value, bool):
            raise Refused(f"one of {listed}", QUOTE_IT)
        if isinstance(value, str) and value in allowed:
            return value
        raise Refused(f"one of {listed}", "Choose one of them")

    return check


def list_of(check: Checker) -> Checker:
    """Return a checker for a list; a single value counts as a list of one."""

    def check_all(value: object) -> list[Any]:
        if not isinstance(value, (list, tuple)):
            return [check(value)]
        faults = Faults()
        checked = [faults.check(check, member, f"[{index}]") for index, member in enumerate(value)]
        faults.raise_any()
        return checked

    return check_all


def argv(value: object) -> list[str]:
    """A command as a list: each element reaches the process byte for byte."""
    if not isinstance(value, (list, tuple)) or not value:
        raise Refused("a list of text that is not empty", "Write the program and its arguments as a list")
    faults = Faults()
    words = [faults.check(word, member, f"[{index}]") for index, member in enumerate(value)]
    program = words[0]
    if isinstance(program, str):
        if not program.startswith("/"):
            faults.add("an absolute path of a program", "Write the whole path from /", "[0]", program)
        elif re.search(r"[\x00-\x1f\x7f]", program) or program.endswith("/"):
            faults.add("the path of a program", "Take control characters and a trailing / out", "[0]", program)
    faults.raise_any()
    return words


def command(value: object) -> list[str] | str:
    """A command: a list (an argv), or a string in systemd's own syntax, which is used unchanged."""
    return filled_text(value) if isinstance(value, str) else argv(value)


def commands(value: object) -> list[list[str] | str]:
    """One command, or a list whose members are commands themselves (lists)."""
    if isinstance(value, (list, tuple)) and value and all(isinstance(member, (list, tuple)) for member in value):
        return list(list_of(command)(value))
    return [command(value)]


def environment(value: object) -> dict[str, str]:
    """Names and values of environment variables; the values are never quoted in a message."""
    if not isinstance(value, Mapping):
        raise Refused("a mapping of names to text", "Write NAME: value", part=HIDDEN_VALUE)
    faults = Faults()
    checked = {}
    for name, content in value.items():
        if not isinstance(name, str) or not ENVIRONMENT_NAME.match(name):
            remedy = "Rename the variable" if isinstance(name, str) else QUOTE_IT
            faults.add("a name of letters, digits and _", remedy, "", name)
            continue
        checked[name] = faults.check(word, content, f".{name}", hide=True)
    faults.raise_any()
    return checked


def credentials(value: object) -> dict[str, str]:
    """Names of credentials and the absolute paths that hold them (``LoadCredential=``, systemd.exec(5)).

    What is no path may be the credential itself, and is never quoted in a message.
    """
    if not isinstance(value, Mapping):
        raise Refused("a mapping of names to absolute paths", "Write name: /path", part=HIDDEN_VALUE)
    faults = Faults()
    checked = {}
    for name, source in value.items():
        if not isinstance(name, str) or not re.match(r"[A-Za-z0-9_.-]{1,255}\Z", name):
            remedy = "Rename the credential" if isinstance(name, str) else QUOTE_IT
            faults.add("a name of letters, digits and _.-", remedy, "", name)
            continue
        checked[name] = faults.check(path, source, f".{name}", hide=True)
    faults.raise_any()
    return checked


#: Directives in whose values there may be a secret, be it by mistake.
MAY_HOLD_SECRET = re.compile(r"(?:Pass|Unset)?Environment|(?:Set|Load|Import)Credential|Exec")


def directives(value: object) -> dict[str, dict[str, list[str]]]:
    """Further directives, by section: text, or a list of text that repeats the directive."""
    if not isinstance(value, Mapping):
        raise Refused("a mapping of sections", "Write {Service: {Directive: value}}", part=HIDDEN_VALUE)
    faults = Faults()
    checked: dict[str, dict[str, list[str]]] = {}
    for section, entries in value.items():
        if section not in SECTIONS:
            faults.add("a section: " + ", ".join(SECTIONS), "Move the directive", "", section)
            continue
        if not isinstance(entries, Mapping):
            faults.add("a mapping of directives", "Write {Directive: value}", f".{section}", HIDDEN_VALUE)
            continue
        for name, content in entries.items():
            if not isinstance(name, str) or not re.match(r"[A-Z][A-Za-z0-9]*\Z", name):
                faults.add("the name of a directive", "Write it as in the man page", f".{section}", name)
                continue
            hide = MAY_HOLD_SECRET.match(name) is not None
            lines = faults.check(list_of(text), content, f".{section}.{name}", hide)
            checked.setdefault(section, {})[name] = lines
    faults.raise_any()
    return checked
