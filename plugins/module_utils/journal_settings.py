# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every setting of the journal: its directive, what it may be, what the baseline makes of it, and what contradicts what.

The directives are those of journald.conf(5). That manual does not say how journald amends values that it does not like:
it raises ``SystemMaxUse=`` to twice ``SystemMaxFileSize=``, and turns the rate limit off when one of its two values is 0.
What it would amend in silence is refused here.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import values as v
from .problems import InvalidInput, Problem, show

if TYPE_CHECKING:
    from .services import Service

HEADER = (
    "# Managed by stability.baseline. A change made here is undone by the next run:\n"
    "# change stability_journald_* instead.\n"
)
#: What journald takes for MaxFileSec= when it is not set.
DEFAULT_MAX_FILE_SEC = "1month"
#: And for SystemMaxFiles=.
DEFAULT_MAX_FILES = 100

_SIZE = re.compile(r"[0-9]+(?:\.[0-9]+)?[KMGTPE]?\Z")
#: systemd counts microseconds and bytes in 64 bits, bursts in 32.
_LONGEST_SPAN = 2**64 / 1e6
_SHORTEST_SPAN = 1e-6
_LARGEST_SIZE = 2.0**64
_LARGEST_BURST = 2**32 - 1
_MOST_FILES = 2**64 - 2
#: systemd.exec(5), ``LogNamespace=``: it becomes the instance of a unit and a part of file names.
_NAMESPACE = re.compile(r"[A-Za-z0-9:_.@-]{1,200}\Z")
_LOCAL_SOCKET = re.compile(r"[/@][^\s]{1,106}\Z|vsock(?:-stream|-dgram|-seqpacket)?:[0-9]{1,10}:[0-9]{1,10}\Z")
_NETWORK_SOCKET = re.compile(r"(?:(?P<four>[0-9.]{7,15})|\[(?P<six>[0-9A-Fa-f:.]{2,45})\]):(?P<port>[0-9]{1,5})\Z")
_LEVELS = ("emerg", "alert", "crit", "err", "warning", "notice", "info", "debug")


def _namespace(value: object) -> str:
    """The name of a journal namespace."""
    name = v.filled_text(value)
    if not _NAMESPACE.match(name):
        raise v.Refused("the name of a journal namespace, of letters, digits and :_.@-", "Rename the namespace")
    return name


def namespaces_of(services: Iterable[Service]) -> dict[str, str]:
    """Return the journal namespaces that services use, by their place in the list; absent services have no values."""
    found = {}
    for one in (one for service in services for one in service.processes):
        place, name = "log_namespace", one.values.get("log_namespace")
        # What is written there takes the place of the key. Only systemd knows what a specifier stands for.
        directives = (one.values.get("directives") or {}).get("Service", {})
        if directives.get("LogNamespace"):
            place, name = "directives.Service.LogNamespace", directives["LogNamespace"][-1]
            name = "" if "%" in name else name
        if name:
            found[f"{one.place}.{place} ({one.name})"] = name
    return found


def check_namespaces(given: Mapping[str, str]) -> list[Problem]:
    """Return a problem for each name, by its place, that cannot be that of a journal namespace."""
    problems = []
    for place, name in given.items():
        try:
            _namespace(name)
        except v.Refused as refused:
            problems += [Problem(place, show(name), fault.expected, fault.remedy) for fault in refused.faults]
    return problems


def _size_from(least: str) -> v.Checker:
    """Return a checker for sizes of at least ``least``, below which journald would put its own value in place."""
    expected = f"a size such as 500M, at least {least}" if least != "0" else "a size such as 500M"

    def check(value: object) -> str:
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            value = str(value)
        if not isinstance(value, str) or not _SIZE.match(value):
            raise v.Refused(
                expected, "Write a number of bytes, or one with K, M, G or T; journald knows no percentages"
            )
        if not _bytes(least) <= _bytes(value) < _LARGEST_SIZE:
            raise v.Refused(expected, "Write the number with its unit, K, M, G or T")
        return value

    return check


def _span(value: object) -> str:
    """A time span that ends; 0 turns off what it is about."""
    try:
        span: str = v.time_span(value)
    except v.Refused as refused:
        raise v.Refused("a time span such as 30s or 4w", refused.faults[0].remedy) from None
    if v.seconds(span) >= _LONGEST_SPAN:
        raise v.Refused("a time span that ends, such as 30s", "Write how long, or 0 to turn it off")
    for number, unit in v.span_parts(span):
        # systemd would take them for seconds, and a retention of 28 seconds leaves nothing.
        if not unit and float(number):
            raise v.Refused("a time span such as 30s or 4w", f"Write its unit, such as {number}d or {number}s")
    if 0 < v.seconds(span) < _SHORTEST_SPAN:
        raise v.Refused("a time span of at least 1us", "systemd would read it as 0; write more, or 0")
    return span


def _span_over_0(value: object) -> str:
    """A time span that ends and is not 0."""
    span = _span(value)
    if v.seconds(span) == 0:
        raise v.Refused("a time span over 0, such as 30s", "With 0 records would never be written through to the disk")
    return span


def _files(value: object) -> str:
    number = v.count(value)
    if number > _MOST_FILES:
        raise v.Refused(f"at most {_MOST_FILES}", "Write a smaller number, or 0 for any number of files")
    return str(number)


def _burst(value: object) -> str:
    number = v.count(value)
    if number > _LARGEST_BURST:
        raise v.Refused(f"at most {_LARGEST_BURST}", "Write a smaller number, or 0 to turn the limit off")
    return str(number)


def _yes_or_no(value: object) -> str:
    return "yes" if v.boolean(value) else "no"


def _compress(value: object) -> str:
    """Whether to compress, or from which size on."""
    if isinstance(value, bool) or (isinstance(value, str) and not value[:1].isdigit()):
        return _yes_or_no(value)
    threshold: str = _size_from("0")(value)
    return threshold


def _socket(value: object) -> str:
    """The address of a socket as in systemd.socket(5), ``ListenStream=``, and of VSOCK."""
    address: str = v.filled_text(value).strip()
    local = _LOCAL_SOCKET.match(address)
    network = _NETWORK_SOCKET.match(address)
    if not local and not (
        network and _is_address(network["four"], network["six"]) and 0 < int(network["port"]) < 2**16
    ):
        raise v.Refused(
            "the address of a socket, such as /run/log.sock, 192.0.2.1:19532, [2001:db8::1]:19532 or vsock:2:19532",
            "Write the path or the numbers; journald resolves no names",
        )
    return address


def _is_address(four: str | None, six: str | None) -> bool:
    # Imported here: most hosts forward nothing.
    import socket

    try:
        socket.inet_pton(socket.AF_INET if four else socket.AF_INET6, four or six or "")
    except OSError:
        return False
    return True


@dataclass(frozen=True)
class Setting:
    """One setting: the variable ``stability_journald_<name>``.

    ``default`` is what the baseline writes when nothing is said; empty: nothing, so that journald's own default holds.
    ``since`` is the first systemd that knows the directive, ``0`` for all from 247 on.
    """

    name: str
    directive: str
    check: v.Checker
    default: str = ""
    since: int = 0


#: In the order of the drop-in.
SETTINGS = (
    Setting("storage", "Storage", v.one_of("persistent", "auto", "volatile"), "persistent"),
    Setting("compress", "Compress", _compress),
    Setting("split_mode", "SplitMode", v.one_of("uid", "none")),
    Setting("sync_interval_sec", "SyncIntervalSec", _span_over_0, "30s"),
    Setting("rate_limit_interval_sec", "RateLimitIntervalSec", _span, "0"),
    Setting("rate_limit_burst", "RateLimitBurst", _burst, "0"),
    Setting("line_max", "LineMax", _size_from("79"), "256K"),
    Setting("system_max_use", "SystemMaxUse", _size_from("1M")),
    Setting("system_keep_free", "SystemKeepFree", _size_from("0")),
    Setting("system_max_file_size", "SystemMaxFileSize", _size_from("512K")),
    Setting("system_max_files", "SystemMaxFiles", _files),
    Setting("runtime_max_use", "RuntimeMaxUse", _size_from("1M")),
    Setting("runtime_keep_free", "RuntimeKeepFree", _size_from("0")),
    Setting("runtime_max_file_size", "RuntimeMaxFileSize", _size_from("512K")),
    Setting("runtime_max_files", "RuntimeMaxFiles", _files),
    Setting("max_retention_sec", "MaxRetentionSec", _span),
    Setting("max_file_sec", "MaxFileSec", _span),
    Setting("forward_to_syslog", "ForwardToSyslog", _yes_or_no),
    Setting("forward_to_socket", "ForwardToSocket", _socket, since=256),
    Setting("max_level_store", "MaxLevelStore", v.one_of(*_LEVELS)),
    Setting("max_level_socket", "MaxLevelSocket", v.one_of(*_LEVELS), since=256),
)
_BY_NAME = {setting.name: setting for setting in SETTINGS}


def _bytes(size: str) -> float:
    return v.byte_count(size) or 0.0


def parse_settings(raw: object, prefix: str = "settings.") -> dict[str, str]:
    """Return what is written, by setting: what was given, or else the baseline's default, in the order of the drop-in.

    ``raw`` is a mapping of settings to values; an empty text counts as not given, since that is what an unanswered survey
    hands over. Raises :class:`InvalidInput` with every problem, each named by ``prefix`` and the setting.
    """
    if raw is None:
        raw = {}
    if not isinstance(raw, Mapping):
        option = prefix.rstrip("._")
        raise InvalidInput([Problem(option, show(raw), "a mapping of settings to values", "Write {setting: value}")])
    problems = [_unknown(str(name), prefix) for name in raw if name not in _BY_NAME]
    values: dict[str, str] = {}
    for setting in SETTINGS:
        value = raw.get(setting.name)
        if value is None or (isinstance(value, str) and not value.strip()):
            value = setting.default
        if value == "":
            continue
        try:
            values[setting.name] = setting.check(value)
        except v.Refused as refused:
            option = f"{prefix}{setting.name}"
            problems += [Problem(option, show(value), fault.expected, fault.remedy) for fault in refused.faults]
    problems += _contradictions(values, prefix)
    if problems:
        raise InvalidInput(problems)
    return values


def _unknown(name: str, prefix: str) -> Problem:
    near = difflib.get_close_matches(name, list(_BY_NAME), n=1)
    # A variable is named with all of its name, a member of a mapping is not.
    whole = prefix if not prefix.endswith(".") else ""
    remedy = f"Did you mean {whole}{near[0]}" if near else "Put what has no setting into a drop-in of your own"
    return Problem(f"{prefix}{name}", "an unknown setting", "a setting of the journal", remedy)


def _contradictions(values: Mapping[str, str], prefix: str) -> list[Problem]:
    """Return what single values cannot show, and no host needs to be asked for."""
    problems = _rate_limit(values, prefix) + _retention(values, prefix)
    for kind in ("system", "runtime"):
        most, file_size = values.get(f"{kind}_max_use"), values.get(f"{kind}_max_file_size")
        if most and file_size and _bytes(file_size) * 2 > _bytes(most):
            expected = f"at most half of {kind}_max_use ({most})"
            remedy = f"journald would let the journal grow to twice that; lower it, or raise {kind}_max_use"
            problems.append(Problem(f"{prefix}{kind}_max_file_size", show(file_size), expected, remedy))
    if values.get("storage") == "volatile":
        remedy = "It never acts there; take it out, or use the runtime setting of the same name"
        problems += [
            Problem(
                f"{prefix}{name}", show(values[name]), "no limit of the stored journal with storage volatile", remedy
            )
            for name in values
            if name.startswith("system_")
        ]
    return problems


def _rate_limit(values: Mapping[str, str], prefix: str) -> list[Problem]:
    interval, burst = values.get("rate_limit_interval_sec"), values.get("rate_limit_burst")
    if interval is None or burst is None or (v.seconds(interval) == 0) == (burst == "0"):
        return []
    remedy = "With one of the two at 0 journald turns the limit off; set both, or both to 0"
    if burst == "0":
        expected = f"a burst for rate_limit_interval_sec ({interval})"
        return [Problem(f"{prefix}rate_limit_burst", "0", expected, remedy)]
    expected = f"an interval for rate_limit_burst ({burst})"
    return [Problem(f"{prefix}rate_limit_interval_sec", show(interval), expected, remedy)]


def _retention(values: Mapping[str, str], prefix: str) -> list[Problem]:
    retention = values.get("max_retention_sec")
    if retention is None or v.seconds(retention) == 0:
        return []
    file_sec = values.get("max_file_sec", DEFAULT_MAX_FILE_SEC)
    # journald reads 0 as "no limit": then a file spans any time, and there may be any number of files.
    if 0 < v.seconds(file_sec) < v.seconds(retention):
        return _too_few_files(values, prefix, retention, file_sec)
    remedy = "journald removes a file with all its records once the first one is too old; write a part of the retention"
    if "max_file_sec" in values:
        expected = f"more than 0 and less than max_retention_sec ({retention})"
        return [Problem(f"{prefix}max_file_sec", show(file_sec), expected, remedy)]
    expected = f"less than max_retention_sec ({retention}), and it is {DEFAULT_MAX_FILE_SEC} when it is not set"
    return [Problem(f"{prefix}max_file_sec", "nothing", expected, remedy)]


def _too_few_files(values: Mapping[str, str], prefix: str, retention: str, file_sec: str) -> list[Problem]:
    name = "runtime_max_files" if values.get("storage") == "volatile" else "system_max_files"
    files = int(values.get(name, DEFAULT_MAX_FILES))
    needed = math.ceil(v.seconds(retention) / v.seconds(file_sec))
    if not files or files >= needed:
        return []
    unset = "" if name in values else ", as many as journald keeps when it is not set"
    expected = f"at most what {files} files of {file_sec} span ({name}{unset})"
    remedy = f"Write {name} of at least {needed}, a longer max_file_sec, or a shorter time"
    return [Problem(f"{prefix}max_retention_sec", show(retention), expected, remedy)]


@dataclass(frozen=True)
class Rendered:
    """The text of a drop-in; ``too_new`` has (directive, systemd that it needs) of what was left out."""

    text: str
    too_new: tuple[tuple[str, int], ...]


def render(values: Mapping[str, str], systemd_version: int) -> Rendered:
    """Return the drop-in with the checked settings ``values`` for a host with ``systemd_version`` (``252``)."""
    listed = [setting for setting in SETTINGS if setting.name in values]
    lines = [f"{each.directive}={values[each.name]}\n" for each in listed if each.since <= systemd_version]
    too_new = tuple((each.directive, each.since) for each in listed if each.since > systemd_version)
    return Rendered(f"{HEADER}\n[Journal]\n{''.join(lines)}", too_new)


def setting_of(directive: str) -> str:
    """Return the name of the setting that writes ``directive``."""
    return next(setting.name for setting in SETTINGS if setting.directive == directive)
