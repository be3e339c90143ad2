# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the list of services to a plan for this host, and from a plan to what a user reads."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Optional

from . import unit_checks as checks
from .accounts import missing_accounts
from .drop_ins import render_drop_in
from .hardening_paths import check_hardening_paths
from .masking import SECRET_NAME, masked_value
from .problems import InvalidInput
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

#: systemd.syntax(7): blanks around the first ``=``, a backslash at the end that joins the next line that is no comment.
_LINE_WITH_VALUES = re.compile(
    r"^[ \t]*(Environment|Exec\w+|SetCredential\w*)[ \t]*=(?:\\\n(?:[ \t]*[#;][^\n]*\n)*|[^\n])*", re.MULTILINE
)
_ASSIGNMENT = re.compile(r"""(?<=[=\s"'])([A-Za-z_][A-Za-z0-9_]*)=""")
_MASK = "********"
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


def prepare(asked: Asked, earlier: Earlier, check_mode: bool) -> Prepared:
    """Return the plan for the services; nothing is changed.

    Raises :class:`InvalidInput` with every problem, :class:`~.systemd_host.HostError` when the host cannot be used.
    """
    listed, version = asked.services, asked.version
    pending = [path.rstrip("/") for path in earlier.changed_environments] if check_mode else []
    absent = [service for service in listed if service.is_absent]
    present = [service for service in listed if not service.is_absent]
    services, warnings, ignored = checks.checked_directives(present, version)
    windows, problems = checks.retry_windows(services)
    warnings += checks.short_tries(services, windows)
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
    services += absent
    plan = plan_units(services, rendered, observed, pending, earlier.started_units)
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
            rendered[service.name] = render_drop_in(service, observed.version, under(service.unit, observed))
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


def _masked(text: str) -> str:
    """Return a unit file's text without credentials, and the values of variables whose names speak of secrets.

    What follows such a value on its line is left out with it, so that no way to quote can show a part of it.
    """

    def mask(line: re.Match[str]) -> str:
        if line[1].startswith("SetCredential"):
            return f"{line[0].partition(':')[0]}:{_MASK}"
        for assignment in _ASSIGNMENT.finditer(line[0]):
            if SECRET_NAME.search(assignment[1]):
                return f"{line[0][: assignment.end()]}{_MASK}"
        return line[0]

    return _LINE_WITH_VALUES.sub(mask, text)


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
    path = unit_path(removal.name)
    end = " (the unit file from before)" if removal.restores else " (removed)"
    after = _masked(kept_foreign(removal.name)) if removal.restores else ""
    return {
        "before_header": path,
        "after_header": f"{path}{end}",
        "before": _masked(removal.before or ""),
        "after": after,
    }


def _with_actions(parts: list[dict[str, str]], plan: Plan, actions: Sequence[str]) -> list[dict[str, str]]:
    """Return the diffs of files, then the actions of which they do not tell."""
    written = {f"{'create' if change.before is None else 'replace'} {change.path}" for change in plan.files}
    written |= {str(removal).split(" (", 1)[0] for removal in plan.removals if removal.has_file}
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
    return _with_actions([*parts, *map(_file_diff, plan.files)], plan, plan.actions() if actions is None else actions)


def failure_text(failures: Sequence[Failure]) -> str:
    """Return one clear message about the units that did not come up."""
    parts = []
    for failure in failures:
        records = "".join(f"\n    {line}" for line in failure.journal) or "\n    (none)"
        parts.append(f"{failure.unit} {failure.reason}.\n  Its last journal records:{records}\n  {failure.outcome}")
    return "\n".join(parts) + "\nMend what the records name and run again."


def _without_values(names: object) -> object:
    return dict.fromkeys(names, _MASK) if isinstance(names, Mapping) else _MASK


def _shown_value(key: object, value: object) -> object:
    """Return the value of a key as it may be shown: a key that is not known may be a misspelt one that holds secrets."""
    if key in _WITH_SECRETS:
        return _without_values(value)
    return masked_value(value) if key == "name" or key in KEYS else _MASK


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
