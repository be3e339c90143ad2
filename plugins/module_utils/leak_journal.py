# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes records with fields of their own into the journal, by its native protocol (https://systemd.io/JOURNAL_NATIVE_PROTOCOL/)."""

from __future__ import annotations

from collections.abc import Mapping

from .leak_alerts import Alert

SOCKET = "/run/systemd/journal/socket"
IDENTIFIER = "stability-leakwatch"
#: Of every warning: ``journalctl MESSAGE_ID=…`` finds them, whatever they say.
WARNING_ID = "10ab9e6f5856474a9d1f3455a108ce43"
#: Of what is told before a service is restarted.
RESTART_ID = "e63164ecafb64220986ae4955988e28a"
_WARNING, _NOTICE = "4", "5"


def datagram(fields: Mapping[str, str]) -> bytes:
    """Return a record as the journal takes it: a value with a line end goes behind its length."""
    parts: list[bytes] = []
    for name, value in fields.items():
        raw = value.encode("utf-8", "replace")
        if b"\n" in raw:
            parts.append(name.encode() + b"\n" + len(raw).to_bytes(8, "little") + raw + b"\n")
        else:
            parts.append(name.encode() + b"=" + raw + b"\n")
    return b"".join(parts)


def _about(unit: str, run: str) -> dict[str, str]:
    # With this field `journalctl --unit` shows the record among those of the service.
    about = {"SYSLOG_IDENTIFIER": IDENTIFIER, "OBJECT_SYSTEMD_UNIT": unit, "STABILITY_UNIT": unit}
    return {**about, "STABILITY_INVOCATION": run} if run else about


def warning(alert: Alert, run: str) -> dict[str, str]:
    """Return the fields of a warning about a unit, whose invocation is ``run``: its numbers are fields of their own."""
    numbers = {
        f"STABILITY_{name.upper()}": f"{value:g}" if isinstance(value, float) else str(value)
        for name, value in alert.numbers.items()
    }
    head = {"MESSAGE": alert.text, "MESSAGE_ID": WARNING_ID, "PRIORITY": _WARNING}
    return {**head, **_about(alert.unit, run), "STABILITY_KIND": alert.kind, **numbers}


def evidence(unit: str, run: str, text: str, samples: str) -> dict[str, str]:
    """Return the fields of what is told before a service is restarted: why, and its last samples."""
    head = {"MESSAGE": text, "MESSAGE_ID": RESTART_ID, "PRIORITY": _NOTICE}
    return {**head, **_about(unit, run), "STABILITY_SAMPLES": samples}


def send(fields: Mapping[str, str], path: str = SOCKET) -> None:
    """Hand a record over to journald; raises :class:`OSError`."""
    # Imported here: most rounds have nothing to tell.
    import socket

    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sending:
        sending.sendto(datagram(fields), path)
