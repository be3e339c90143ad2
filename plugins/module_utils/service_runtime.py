# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which services have the runtime, what stands in the way, and the variables by which it knows what to do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .problems import show
from .runtime_place import FOLDER, PROBE

IDENTIFIER = "STABILITY_IDENTIFIER"
#: What the runtime is told by; the keys write them.
VARIABLES = ("STABILITY_LOG_LEVEL", "STABILITY_LOG_FORMAT", "STABILITY_LOGGERS", IDENTIFIER, PROBE)
PATH = "PYTHONPATH"


def uses_runtime(values: Mapping[str, Any]) -> bool:
    """Whether a service with these values has the runtime."""
    logging = values.get("logging")
    return bool(values.get("probe") or (logging and logging.apply == "startup"))


def faults(values: Mapping[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    """Yield (key, found, expected, remedy) of what does not go together with the runtime, or with the file of ``apply: file``."""
    for name in values["environment"] or ():
        if name in VARIABLES:
            key = "probe" if name == PROBE else "logging"
            yield f".environment.{name}", "a variable of the runtime", f"the key {key}, which writes it", "Take it out"
    own = values["directives"].get("Service", {})
    if uses_runtime(values) and "Environment" in own:
        found = "a directive that takes the place of the runtime's variables"
        yield ".directives.Service.Environment", found, "the key environment", "Write the variables there"
    for instance in values["instances"] if values["probe"] else ():
        if "\\" in instance:
            # Seen with 257, which then says that it fails to deserialize.
            remedy = (
                "systemd 255 and newer does not start a unit with one in RuntimeDirectory=; rename it or take probe out"
            )
            yield ".instances", show(instance), "no backslash in the name of an instance with the probe", remedy
    for key in ("logging", "probe"):
        if values[key] and {"RootDirectory", "RootImage"} & set(own):
            remedy = "What it needs is not in there; take one of the two out"
            yield f".{key}", "a service with a root folder of its own", "one that sees the folders of the host", remedy


def environment(values: Mapping[str, Any]) -> Any:
    """Return the value of ``environment``, with the variables by which Python finds the runtime, and the runtime what it shall do."""
    if not uses_runtime(values):
        return values["environment"]
    own: Mapping[str, str] = values["environment"] or {}
    logging = values["logging"]
    path = ":".join(filter(None, (FOLDER, own.get(PATH))))
    return {**own, PATH: path, **(logging.variables if logging else {})}
