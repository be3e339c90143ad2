# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A unit that runs one program under the settings of another unit, and then is gone."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from .adopt_unit_text import sections_in
from .quoting import command_line
from .unit_names import unescaped

#: Seconds that the program may take: it may import an application.
PATIENCE = 30
#: What decides who the process is, what it sees, and where its output goes (systemd.exec(5), systemd.resource-control(5)). What
#: makes or removes folders is none of it: with RuntimeDirectory= that of the service would go with the end of this unit.
_KEPT = (
    *("User", "DynamicUser", "Group", "SupplementaryGroups", "WorkingDirectory", "UMask"),
    *(
        "Environment",
        "EnvironmentFile",
        "PassEnvironment",
        "UnsetEnvironment",
        "LoadCredential",
        "LoadCredentialEncrypted",
    ),
    *("SetCredential", "SetCredentialEncrypted", "ImportCredential"),
    *("StandardOutput", "StandardError", "SyslogIdentifier", "SyslogFacility", "SyslogLevel", "SyslogLevelPrefix"),
    *(
        "LogLevelMax",
        "LogNamespace",
        "LogFilterPatterns",
        "LogRateLimitIntervalSec",
        "LogRateLimitBurst",
        "LogExtraFields",
    ),
    *(
        "RootDirectory",
        "RootImage",
        "RootEphemeral",
        "BindPaths",
        "BindReadOnlyPaths",
        "TemporaryFileSystem",
        "MountAPIVFS",
    ),
    *("ProtectSystem", "ProtectHome", "ProtectProc", "ProcSubset", "ProtectKernelTunables", "ProtectKernelModules"),
    *("ProtectKernelLogs", "ProtectControlGroups", "ProtectClock", "ProtectHostname", "PrivateTmp", "PrivateDevices"),
    *(
        "PrivateNetwork",
        "PrivateUsers",
        "PrivateIPC",
        "PrivateMounts",
        "ReadWritePaths",
        "ReadOnlyPaths",
        "InaccessiblePaths",
    ),
    *("ExecPaths", "NoExecPaths", "NoNewPrivileges", "CapabilityBoundingSet", "AmbientCapabilities", "SecureBits"),
    *("RestrictAddressFamilies", "RestrictNamespaces", "RestrictRealtime", "RestrictSUIDSGID", "RestrictFileSystems"),
    *(
        "LockPersonality",
        "MemoryDenyWriteExecute",
        "RemoveIPC",
        "KeyringMode",
        "SystemCallFilter",
        "SystemCallArchitectures",
    ),
    *("SystemCallErrorNumber", "SystemCallLog", "DevicePolicy", "DeviceAllow", "IPAddressAllow", "IPAddressDeny"),
    *("MemoryMax", "MemoryHigh", "MemorySwapMax", "TasksMax", "LimitNOFILE", "LimitAS", "LimitNPROC", "LimitCORE"),
)
#: Of the specifiers (systemd.unit(5)) those that name the unit itself.
_OWN_NAME = re.compile(r"%([%nNpiI])")


def with_name(value: str, unit: str) -> str:
    """Return the value of a directive with what stands for the name of its unit written out."""
    name = unit.rpartition(".")[0]
    prefix, _at, instance = name.partition("@")
    known = {"n": unit, "N": name, "p": prefix, "i": instance, "I": unescaped(instance)}
    return _OWN_NAME.sub(lambda found: known[found[1]].replace("%", "%%") if found[1] in known else found[0], value)


def text_of(unit: str, files: Iterable[str], argv: Sequence[str]) -> str:
    """Return a unit that runs ``argv`` once under the settings of ``unit``, of which ``files`` are the texts in their order."""
    own = sections_in(files).get("Service", {})
    lines = [f"{name}={with_name(value, unit)}" for name in _KEPT for value in own.get(name, ())]
    return "\n".join(
        [
            "[Unit]",
            "CollectMode=inactive-or-failed",
            "[Service]",
            "Type=oneshot",
            f"TimeoutStartSec={PATIENCE}",
            f"ExecStart={command_line(argv)}",
            *lines,
            "",
        ]
    )
