# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of somebody else changes, hides or starts the units of a service: it stays, and a warning names it."""

from __future__ import annotations

from collections.abc import Iterator

from .services import Service
from .unit_files import Rendered
from .unit_names import is_instance
from .unit_state import Observed, units_of


def warnings_about(service: Service, observed: Observed) -> Iterator[str]:
    """Yield a warning for each thing of others that changes the units of ``service``, is hidden by them, or starts them."""
    entries, own = observed.manifest.entries, units_of([service])
    paths: dict[str, str] = {}
    for unit in own:
        state = observed.units[unit]
        for path in state["DropInPaths"].split():
            # What a package says about all services, such as service.d below /usr/lib, is of the system's own making.
            if path.startswith(("/etc/", "/run/")) and path.rpartition("/system/")[2] not in entries:
                paths.setdefault(path, unit)
        if state["FragmentPath"].startswith(("/usr/lib/", "/lib/")) and not is_instance(unit):
            yield (
                f"{state['FragmentPath']} of a package is overridden by the unit file of the same name. "
                "Rename the service if both are needed."
            )
    for path, unit in paths.items():
        yield (
            f"{path} changes {unit} and is not of this collection. Move what it says into "
            "stability_services and remove it, or leave it if it is meant."
        )
    for unit in own:
        for timer in observed.units[unit].get("TriggeredBy", "").split():
            if timer.endswith(".timer") and timer not in entries and timer not in own:
                yield (
                    f"{timer} starts {unit} at times of its own and is not of this collection. "
                    f"Run systemctl disable --now {timer}, or leave it if it is meant."
                )


def warnings_of_overriding(service: Service, rendered: Rendered, observed: Observed) -> Iterator[str]:
    """Yield a warning for each drop-in of others that comes after ours and says something else."""
    ours = {line.partition("=")[0] for file in rendered.files for line in file.text.split("\n") if "=" in line}
    for path in observed.units[service.unit]["DropInPaths"].split():
        text = observed.later.get(path, "")
        overridden = sorted(ours & {line.partition("=")[0].strip() for line in text.split("\n")})
        if overridden:
            yield (
                f"{path} comes after the drop-in for {service.unit} and overrides {', '.join(f'{name}=' for name in overridden)}. "
                "Take that out there, or leave it if it is meant."
            )
