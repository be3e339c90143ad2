# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The three hardening presets, as directives of systemd.exec(5), in the order of the unit file.

``basic`` holds what no ordinary Python service misses. ``strict`` closes the file system, the devices and the
kernel's rarely used interfaces; a service under it names what it writes in ``read_write_paths``.
``MemoryDenyWriteExecute=`` is in none: it breaks ctypes, cffi and every just-in-time compiler.
"""

from __future__ import annotations

_BASIC = (
    ("NoNewPrivileges", "yes"),
    ("PrivateTmp", "yes"),
    ("ProtectSystem", "full"),
    ("ProtectKernelTunables", "yes"),
    ("ProtectKernelModules", "yes"),
    ("ProtectControlGroups", "yes"),
    ("RestrictSUIDSGID", "yes"),
    ("RestrictRealtime", "yes"),
)
_STRICT = (
    ("ProtectSystem", "strict"),
    ("ProtectHome", "yes"),
    ("PrivateDevices", "yes"),
    ("ProtectClock", "yes"),
    ("ProtectHostname", "yes"),
    ("ProtectKernelLogs", "yes"),
    ("RestrictNamespaces", "yes"),
    ("RestrictAddressFamilies", "AF_UNIX AF_INET AF_INET6 AF_NETLINK"),
    ("LockPersonality", "yes"),
    ("SystemCallArchitectures", "native"),
    ("SystemCallFilter", "@system-service"),
    ("CapabilityBoundingSet", ""),
)

PRESETS: dict[str, dict[str, str]] = {
    "none": {},
    "basic": dict(_BASIC),
    "strict": {**dict(_BASIC), **dict(_STRICT)},
}
