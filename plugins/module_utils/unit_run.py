# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the list of services to a plan for this host, and from a plan to what a user reads."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from . import systemd_host as systemd
from . import unit_checks as checks
from .accounts import missing_accounts
from .problems import InvalidInput
from .services import Service, parse_services
from .unit_files import Rendered, render
from .unit_plan import FileChange, Plan, Removal, plan_units
from .unit_state import Observed, kept_foreign, observe, unit_path

if TYPE_CHECKING:
    from .unit_apply import Failure

_SECRET_NAME = re.compile(r"PASS|SECRET|TOKEN|KEY|CREDENTIAL|DSN|_URL|_URI", re.IGNORECASE)
#: systemd.syntax(7): blanks around the first ``=``, a backslash at the end that joins the next line.
_ENVIRONMENT_LINE = re.compile(r"^[ \t]*Environment[ \t]*=(?:\\\n|[^\n])*", re.MULTILINE)
_ASSIGNMENT = re.compile(r"""([=\s"'])([A-Za-z_][A-Za-z0-9_]*)=""")
_MASK = "********"


def require_root() -> None:
    """Raise :class:`~.systemd_host.HostError` when this process may not write units."""
    if os.geteuid() != 0:
        raise systemd.HostError(
            "Units are written as root, and this is not root. Use become: true, which the roles do unless stability_become is false."
        )


def prepare_accounts(raw: object) -> Plan:
    """Return the plan that makes the missing users and groups of the list of services ``raw``, and nothing else."""
    return Plan(accounts=tuple(missing_accounts(parse_services(raw, "services"))))


@dataclass(frozen=True)
class Prepared:
    """A plan, what it was made from, and what the user should know."""

    plan: Plan
    services: list[Service]
    observed: Observed
    warnings: list[str]


@dataclass(frozen=True)
class Earlier:
    """What an earlier step of the same run has done, or in check mode would have done.

    ``changed_environments`` names virtual environments, ``accounts_made`` is whether it made the users and groups.
    """

    changed_environments: Sequence[str] = ()
    accounts_made: bool = False


def prepare(raw: object, earlier: Earlier, check_mode: bool) -> Prepared:
    """Return the plan for the list of services ``raw``; nothing is changed.

    Raises :class:`InvalidInput` with every problem, :class:`~.systemd_host.HostError` when the host cannot be used.
    """
    listed = parse_services(raw, "services")
    version = systemd.version()
    pending = [path.rstrip("/") for path in earlier.changed_environments] if check_mode else []
    absent = [service for service in listed if service.is_absent]
    services, warnings = checks.without_too_new([service for service in listed if not service.is_absent], version)
    windows, problems = checks.retry_windows(services)
    problems += checks.check_directives(services)
    missing = checks.missing_paths(services, pending)
    if check_mode:
        warnings += [f"{problem} A run fails there unless an earlier step of it makes the path." for problem in missing]
    else:
        problems += list(missing)
    if problems:
        raise InvalidInput(problems)
    rendered: dict[str, Rendered] = {}
    for service in services:
        rendered[service.name] = render(service, version, windows.get(service.name))
        warnings += [
            checks.too_new(service, "Service", name, needed, version) for name, needed in rendered[service.name].too_new
        ]
    services += absent
    observed = observe(services, version)
    if check_mode and earlier.accounts_made:
        observed = replace(observed, accounts=())
    plan = plan_units(services, rendered, observed, pending)
    texts = {change.unit: change.after for change in plan.files}
    # systemd-analyze does not name the unit of such a line.
    problems = checks.check_lengths(texts) or checks.check_texts(texts, version, [*pending, *missing.values()])
    problems += checks.check_absent(absent, observed)
    if problems:
        raise InvalidInput(problems)
    return Prepared(plan, services, observed, [*warnings, *plan.warnings])


def carry_out(prepared: Prepared) -> list[Failure]:
    """Bring the host to what was prepared; return the units that did not come up.

    Raises :class:`~.systemd_host.HostError` and :class:`OSError` when the host refuses a step; the next run goes on there.
    """
    plan = prepared.plan
    if not (plan.changed or plan.watch):
        return []
    # Imported here: most runs change nothing, and compile all that they import.
    from .unit_apply import apply_plan

    return apply_plan(plan, prepared.services, prepared.observed)


def _masked(text: str) -> str:
    """Return a unit file's text without the values of variables whose names speak of secrets.

    What follows such a value on its line is left out with it, so that no way to quote can show a part of it.
    """

    def mask(line: re.Match[str]) -> str:
        for assignment in _ASSIGNMENT.finditer(line[0]):
            if _SECRET_NAME.search(assignment[2]):
                return f"{line[0][: assignment.end()]}{_MASK}"
        return line[0]

    return _ENVIRONMENT_LINE.sub(mask, text)


def _file_diff(change: FileChange) -> dict[str, str]:
    before, after = _masked(change.before or ""), _masked(change.after)
    if before == after:
        after += "# (a masked value changes)\n"
    owner = " (not of this collection; kept)" if change.foreign else ""
    absent = " (not there)" if change.before is None else ""
    return {
        "before_header": f"{change.path}{owner}{absent}",
        "after_header": change.path,
        "before": before,
        "after": after,
    }


def _removal_diff(removal: Removal) -> dict[str, str]:
    path = unit_path(removal.unit)
    end = " (the unit file from before)" if removal.restores else " (removed)"
    after = _masked(kept_foreign(removal.unit)) if removal.restores else ""
    return {
        "before_header": path,
        "after_header": f"{path}{end}",
        "before": _masked(removal.before or ""),
        "after": after,
    }


def diff(plan: Plan) -> list[dict[str, str]]:
    """Return what a run of ``plan`` changes, for Ansible's diff mode: each unit file, then the actions."""
    parts = [_removal_diff(removal) for removal in plan.removals] + [_file_diff(change) for change in plan.files]
    written = {f"{'create' if change.before is None else 'replace'} {change.path}" for change in plan.files}
    written |= {str(removal).split(" (", 1)[0] for removal in plan.removals}
    actions = [line for line in plan.actions() if line.split(" (", 1)[0] not in written]
    if actions:
        parts.append({"prepared": "".join(f"! {line}\n" for line in actions)})
    return parts


def failure_text(failures: Sequence[Failure]) -> str:
    """Return one clear message about the units that did not come up."""
    parts = []
    for failure in failures:
        records = "".join(f"\n    {line}" for line in failure.journal) or "\n    (none)"
        parts.append(f"{failure.unit} {failure.reason}.\n  Its last journal records:{records}\n  {failure.outcome}")
    return "\n".join(parts) + "\nMend what the records name and run again."


def masked_services(raw: object) -> object:
    """Return the list of services as it may be shown: without any value of an environment."""
    if not isinstance(raw, list):
        return raw
    shown: list[Any] = []
    for member in raw:
        if isinstance(member, Mapping) and "environment" in member:
            names = member["environment"]
            member = {**member, "environment": dict.fromkeys(names, _MASK) if isinstance(names, Mapping) else _MASK}
        shown.append(member)
    return shown
