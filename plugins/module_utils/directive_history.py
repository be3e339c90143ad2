# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which systemd brought a directive: those that are younger than the oldest one that is supported.

Imported only where a list has a directive that the host's systemd does not know.
"""

from __future__ import annotations

from collections.abc import Iterator

#: Section -> version -> the directives that it brought (systemd's man pages, "Added in version", and its NEWS).
_SINCE = {
    "Unit": {
        248: "AssertCPUFeature ConditionCPUFeature",
        249: (
            "AssertOSRelease ConditionFirmware ConditionOSRelease OnSuccess OnSuccessJobMode "
            "PropagatesStopTo StopPropagatedFrom Upholds"
        ),
        250: (
            "AssertCPUPressure AssertIOPressure AssertMemoryPressure ConditionCPUPressure "
            "ConditionIOPressure ConditionMemoryPressure"
        ),
        252: "AssertCredential ConditionCredential",
        255: "SurviveFinalKillSignal",
        256: "WantsMountsFor",
        258: "AssertKernelModuleLoaded AssertVersion ConditionKernelModuleLoaded ConditionVersion",
        260: "AssertPathIsSocket ConditionPathIsSocket",
        261: "AssertFraction AssertMachineTag ConditionFraction ConditionMachineTag",
    },
    "Service": {
        248: (
            "ExecPaths ExtensionImages IPCNamespacePath ManagedOOMMemoryPressureLimit "
            "ManagedOOMPreference NoExecPaths PrivateIPC"
        ),
        249: "BPFProgram SocketBindAllow SocketBindDeny",
        250: (
            "ExecSearchPath ExitType LoadCredentialEncrypted RestrictFileSystems "
            "RestrictNetworkInterfaces RuntimeRandomizedExtraSec SetCredentialEncrypted TTYColumns "
            "TTYRows"
        ),
        251: "ExtensionDirectories",
        253: "LogFilterPatterns MemoryZSwapMax OpenFile ReloadSignal StartupMemoryZSwapMax",
        254: (
            "DelegateSubgroup ExtensionImagePolicy FileDescriptorStorePreserve ImportCredential MemoryKSM "
            "MemoryPressureThresholdSec MemoryPressureWatch MountImagePolicy RestartMaxDelaySec "
            "RestartMode RestartSteps RootEphemeral RootImagePolicy"
        ),
        255: "CoredumpReceive NFTSet SetLoginEnvironment",
        256: "MemoryZSwapWriteback",
        257: "BindLogSockets ManagedOOMMemoryPressureDurationSec PrivatePIDs",
        258: (
            "BPFDelegateAttachments BPFDelegateCommands BPFDelegateMaps BPFDelegatePrograms "
            "CacheDirectoryAccounting CacheDirectoryQuota DelegateNamespaces LogsDirectoryAccounting "
            "LogsDirectoryQuota PrivateBPF StateDirectoryAccounting StateDirectoryQuota"
        ),
        259: "ExecReloadPost UserNamespacePath",
        260: "BindNetworkInterface MemoryTHP RefreshOnReload RootMStack",
        261: (
            "CPUPressureThresholdSec CPUPressureWatch CPUSetPartition IOPressureThresholdSec IOPressureWatch OOMRules"
        ),
        262: "LUOSession RestartRandomizedDelaySec",
    },
    "Timer": {
        257: "DeferReactivation",
        258: "RandomizedOffsetSec",
    },
}
#: The same for directives that it has, and the tested version before it (247, 252) has not; when they came is not known.
_THERE_IN = {
    "Service": {
        252: "StartupAllowedCPUs StartupAllowedMemoryNodes",
        257: "StartupMemoryHigh StartupMemoryLow StartupMemoryMax StartupMemorySwapMax",
    },
    "Install": {
        257: "UpheldBy",
    },
}


def origins(directive: str) -> Iterator[tuple[str, int, bool]]:
    """Yield (section, systemd that has it, whether that is the first one) for a directive; nothing where none is known to be."""
    for table, is_first in ((_SINCE, True), (_THERE_IN, False)):
        for section, versions in table.items():
            for version, names in versions.items():
                if directive in names.split():
                    yield section, version, is_first
