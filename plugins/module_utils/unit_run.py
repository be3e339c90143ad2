# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the list of services to a plan for this host, and from a plan to what a user reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Optional

from . import unit_checks as checks
from .accounts import missing_accounts
from .drop_ins import render_drop_in
from .hardening_paths import check_hardening_paths
from .masked_units import MASK, masked_unit
from .masking import masked_value
from .placed_files import Placed, wanted_files
from .problems import InvalidInput
from .runtime_lines import overridden
from .service_keys import KEYS
from .services import Service, parse_services
from .unit_files import Rendered, RetryWindow, render
from .unit_plan import FileChange, Plan, Removal, describe, plan_units
from .unit_state import Asked as AskedUnits
from .unit_state import Observed, kept_foreign, observe, under, unit_path
from .unit_state import ask as ask_units

if TYPE_CHECKING:
    from .unit_apply import Failure
    from .unit_question import Known

#: Keys whose values, mappings, are never shown.
_WITH_SECRETS = ("environment", "directives", "credentials")


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

    ``changed_environments`` names virtual environments, ``started_units`` maps units to the invocations that were started on
    these (empty in check mode), ``accounts_made`` is whether it made the users and groups.
    """

    changed_environments: Sequence[str] = ()
    started_units: Mapping[str, str] = field(default_factory=dict)
    accounts_made: bool = False


@dataclass(frozen=True)
class Asked:
    """A checked list of services, and what the host was asked about them, which it answers meanwhile."""

    services: list[Service]
    version: int
    units: AskedUnits


def ask(raw: object, known: Known) -> Asked:
    """Return the list of services ``raw`` checked, with systemd asked about their units, those of ``known`` excepted.

    Raises :class:`InvalidInput` with every problem, :class:`~.systemd_host.HostError` when the host cannot be used.
    """
    listed = parse_services(raw, "services")
    return Asked(listed, known.version, ask_units(listed, known))


def prepare(asked: Asked, earlier: Earlier, check_mode: bool, runtime: Optional[Mapping[str, str]] = None) -> Prepared:
    """Return the plan for the services; nothing is changed. ``runtime`` has the files of the runtime for those that need it.

    Raises :class:`InvalidInput` with every problem, :class:`~.systemd_host.HostError` when the host cannot be used.
    """
    listed, version = asked.services, asked.version
    pending = [path.rstrip("/") for path in earlier.changed_environments] if check_mode else []
    absent = [service for service in listed if service.is_absent]
    present = [service for service in listed if not service.is_absent]
    services, warnings, ignored = checks.checked_directives(present, version)
    windows, problems = checks.retry_windows(services)
    warnings += [*checks.short_tries(services, windows), *checks.counted_starts(services)]
    problems += ignored
    missing = checks.missing_paths(services, pending)
    nobodys = checks.missing_numbers(services)
    denied, doubtful = check_hardening_paths(services, version)
    problems += denied
    warnings += doubtful
    observed = observe(asked.units, [*services, *absent])
    wrong, lacking = checks.check_drop_ins(services, observed)
    problems += [*wrong, *checks.check_instances(services, observed)]
    if check_mode:
        warnings += [
            f"{problem} A run fails there unless an earlier step of it makes that."
            for problem in (*missing, *nobodys, *lacking)
        ]
    else:
        problems += [*missing, *nobodys, *lacking]
    if problems:
        raise InvalidInput(problems)
    if check_mode and earlier.accounts_made:
        observed = replace(observed, accounts=())
    rendered, texts_too_new = _render(services, observed, windows)
    warnings += texts_too_new
    warnings += overridden(services)
    services += absent
    placed = wanted_files(services, runtime)
    plan = plan_units(services, rendered, observed, pending, earlier.started_units, placed)
    texts = {change.name: change.after for change in plan.files}
    # systemd-analyze does not name the unit of such a line.
    problems = checks.check_lengths(texts) or checks.check_texts(texts, observed, [*pending, *missing.values()])
    problems += checks.check_absent(absent, observed)
    if problems:
        raise InvalidInput(problems)
    return Prepared(plan, services, observed, [*warnings, *plan.warnings])


def _render(
    services: Sequence[Service], observed: Observed, windows: Mapping[str, RetryWindow]
) -> tuple[dict[str, Rendered], list[str]]:
    """Return the files of each service by its name, and a warning for each directive that was left out."""
    rendered: dict[str, Rendered] = {}
    warnings = []
    for service in services:
        if service.is_drop_in:
            below = under(service.unit, observed, service.uses_runtime)
            rendered[service.name] = render_drop_in(service, observed.version, below)
        else:
            rendered[service.name] = render(service, observed.version, windows.get(service.name))
        warnings += [
            checks.too_new(service, "Service", name, f"systemd {needed}", observed.version)
            for name, needed in rendered[service.name].too_new
        ]
    return rendered, warnings


@dataclass(frozen=True)
class Carried:
    """What came of it: the units that did not come up, and of the environments that changed under services the time until
    these were restarted, and those that are to go back."""

    failures: Sequence[Failure] = ()
    delays: Sequence[Mapping[str, object]] = ()
    to_go_back: Sequence[str] = ()


def carry_out(prepared: Prepared) -> Carried:
    """Bring the host to what was prepared.

    Raises :class:`~.systemd_host.HostError` and :class:`OSError` when the host refuses a step; the next run goes on there.
    """
    plan, services, observed = prepared.plan, prepared.services, prepared.observed
    if not (plan.changed or plan.switches or plan.watch or plan.adopt):
        return Carried()
    # Imported here: most runs change nothing, and compile all that they import.
    from . import unit_environments as environments
    from .unit_apply import apply_plan

    applied = apply_plan(plan, services, observed)
    return Carried(
        applied.failures,
        environments.delays(plan, services, observed, applied.switched),
        environments.to_go_back(applied.failures, services, observed),
    )


def _file_diff(change: FileChange) -> dict[str, str]:
    before, after = masked_unit(change.before or ""), masked_unit(change.after)
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
    path = unit_path(removal.name)
    end = " (the unit file from before)" if removal.restores else " (removed)"
    after = masked_unit(kept_foreign(removal.name)) if removal.restores else ""
    return {
        "before_header": path,
        "after_header": f"{path}{end}",
        "before": masked_unit(removal.before or ""),
        "after": after,
    }


def _placed_diff(change: Placed) -> dict[str, str]:
    before, after = change.before or "", change.after or ""
    there = "" if change.before is not None else " (not there)"
    end = "" if change.after is not None else " (removed)"
    return {
        "before_header": f"{change.path}{there}",
        "after_header": f"{change.path}{end}",
        "before": before,
        "after": after,
    }


def _with_actions(parts: list[dict[str, str]], plan: Plan, actions: Sequence[str]) -> list[dict[str, str]]:
    """Return the diffs of files, then the actions of which they do not tell."""
    written = {f"{'create' if change.before is None else 'replace'} {change.path}" for change in plan.files}
    written |= {str(removal).split(" (", 1)[0] for removal in plan.removals if removal.has_file}
    written |= {str(placed) for placed in (*plan.placed, *plan.unplaced) if placed.is_shown}
    others = [line for line in actions if line.split(" (", 1)[0] not in written]
    if others:
        parts.append({"prepared": "".join(f"! {line}\n" for line in others)})
    return parts


def shown(plan: Plan, with_diff: bool) -> dict[str, Any]:
    """Return the plan for a module's result, with its diff where that was asked for."""
    return {**describe(plan), "diff": diff(plan)} if with_diff else describe(plan)


def diff(plan: Plan, actions: Optional[Sequence[str]] = None) -> list[dict[str, str]]:
    """Return what a run of ``plan`` changes, for Ansible's diff mode: each unit file, then the ``actions``, by default the plan's."""
    parts = [_removal_diff(removal) for removal in plan.removals if removal.has_file]
    parts += map(_file_diff, plan.files)
    parts += [_placed_diff(placed) for placed in (*plan.placed, *plan.unplaced) if placed.is_shown]
    return _with_actions(parts, plan, plan.actions() if actions is None else actions)


def failure_text(failures: Sequence[Failure]) -> str:
    """Return one clear message about the units that did not come up."""
    parts = []
    for failure in failures:
        records = "".join(f"\n    {line}" for line in failure.journal) or "\n    (none)"
        parts.append(f"{failure.unit} {failure.reason}.\n  Its last journal records:{records}\n  {failure.outcome}")
    return "\n".join(parts) + "\nMend what the records name and run again."


def _without_values(names: object) -> object:
    return dict.fromkeys(names, MASK) if isinstance(names, Mapping) else MASK


def _shown_value(key: object, value: object) -> object:
    """Return the value of a key as it may be shown: a key that is not known may be a misspelt one that holds secrets."""
    if key in _WITH_SECRETS:
        return _without_values(value)
    return masked_value(value) if key == "name" or key in KEYS else MASK


def masked_services(raw: object) -> object:
    """Return the list of services as it may be shown: without any value of an environment, a directive or an unknown key."""
    if not isinstance(raw, list):
        return raw
    shown: list[Any] = []
    for member in raw:
        if isinstance(member, Mapping):
            member = {key: _shown_value(key, value) for key, value in member.items()}
        shown.append(member)
    return shown
