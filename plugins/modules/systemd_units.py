#!/usr/bin/python
# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Apply all units of a managed node in one call."""

from __future__ import annotations

DOCUMENTATION = r"""
module: systemd_units
short_description: Make Python services come back, all units of a managed node in one call
version_added: 0.1.0
description:
  - Writes the unit files of daemons and scheduled jobs, and enables, starts and restarts what changed, and nothing else.
  - All problems of the list are reported at once, before anything is touched. Staged unit files must pass
    C(systemd-analyze verify) without any diagnostic.
  - A restart is owed when the unit file, the content of an environment file, a credential or a path of C(restart_on),
    or the generation of the virtual environment differs from what the process was started with.
  - The module waits until every unit that it started is up and I(stays up). When one does not, it puts the unit file from
    before back and fails with the unit's last journal records.
author:
  - stability.baseline contributors (@stability)
options:
  services:
    description:
      - The services of the managed node, as described in the collection's guide to services (C(docs/services.md)).
      - Values of C(environment) are never shown or logged.
    type: list
    elements: raw
    required: true
  changed_environments:
    description:
      - Virtual environments that an earlier step of the same run has changed.
      - It matters in check mode, where that step has changed nothing yet.
    type: list
    elements: path
    default: []
  accounts_made:
    description:
      - Whether an earlier step of the same run has made the missing users and groups, with O(phase=users).
      - It matters in check mode, where that step has changed nothing yet.
    type: bool
    default: false
  phase:
    description:
      - V(all) does everything.
      - V(users) only makes the missing users and groups, for steps that need them before the units.
    type: str
    choices: [all, users]
    default: all
requirements:
  - systemd 247 or newer
  - Python 3.9 or newer
attributes:
  check_mode:
    description: Can run in check mode and return changed status prediction without modifying the target.
    support: full
  diff_mode:
    description: Returns details on what has changed, or would change, in diff mode.
    support: full
  idempotent:
    description: A second run with the same list and unchanged paths changes nothing.
    support: full
  platform:
    description: Target platforms.
    platforms: posix
    support: full
seealso:
  - module: stability.baseline.pip_pinned
  - name: systemd.service(5)
    description: The manual of service units.
    link: https://www.freedesktop.org/software/systemd/man/latest/systemd.service.html
"""

EXAMPLES = r"""
- name: A web service that comes back after everything
  stability.baseline.systemd_units:
    services:
      - name: web
        user: web
        exec_start: [/usr/bin/python3, -m, http.server, --bind, 127.0.0.1, "8080"]
        working_directory: /srv
        health:
          http: http://127.0.0.1:8080/
          timeout: 20

- name: A job every night, tried again twice when it fails
  stability.baseline.systemd_units:
    services:
      - name: nightly
        user: web
        exec_start: [/usr/bin/python3, -c, "print('report')"]
        on_calendar: ["*-*-* 03:00:00"]
        retries: 2
"""

RETURN = r"""
actions:
  description: What was done, or in check mode would be done, one line each, in order.
  type: list
  elements: str
  returned: always
  sample: [replace /etc/systemd/system/web.service, daemon-reload, "restart web.service: unit file"]
started:
  description: Units that were started.
  type: list
  elements: str
  returned: always
restarted:
  description: Units that were restarted.
  type: list
  elements: str
  returned: always
stopped:
  description: Units that were stopped.
  type: list
  elements: str
  returned: always
orphans:
  description: Services on the managed node that were deployed once and are no longer in the list.
  type: list
  elements: str
  returned: always
failed_units:
  description: Units that did not come up.
  type: list
  elements: dict
  returned: when a unit did not come up
  contains:
    unit:
      description: The unit.
      type: str
    reason:
      description: Why it is not up.
      type: str
    journal:
      description: Its last records in the journal.
      type: list
      elements: str
    outcome:
      description: What was done about it.
      type: str
"""

from contextlib import nullcontext
from dataclasses import asdict

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.stability.baseline.plugins.module_utils import unit_run
from ansible_collections.stability.baseline.plugins.module_utils.accounts import make_account
from ansible_collections.stability.baseline.plugins.module_utils.manifest import Busy, locked
from ansible_collections.stability.baseline.plugins.module_utils.problems import InvalidInput
from ansible_collections.stability.baseline.plugins.module_utils.systemd_host import HostError
from ansible_collections.stability.baseline.plugins.module_utils.unit_plan import describe


class QuietModule(AnsibleModule):
    """A module whose options, and with them the environments of services, stay out of the managed node's journal.

    The option C(no_log) of AnsibleModule does not do that: what the task says takes its place.
    """

    def _log_invocation(self):
        self.log("Invoked; the options are not logged, they hold environments")


def with_diff(module, plan):
    """Return the plan for the result, with its diff where that was asked for."""
    return {**describe(plan), "diff": unit_run.diff(plan)} if module._diff else describe(plan)


def make_accounts(module):
    """Return the result of the phase C(users)."""
    plan = unit_run.prepare_accounts(module.params["services"])
    for account in () if module.check_mode else plan.accounts:
        make_account(account)
    return with_diff(module, plan)


def apply_units(module):
    """Return the result of the phase C(all), with C(failed) set when a unit did not come up."""
    with nullcontext() if module.check_mode else locked():
        earlier = unit_run.Earlier(module.params["changed_environments"], module.params["accounts_made"])
        prepared = unit_run.prepare(module.params["services"], earlier, module.check_mode)
        result = with_diff(module, prepared.plan)
        failures = [] if module.check_mode else unit_run.carry_out(prepared)
    for warning in prepared.warnings:
        module.warn(warning)
    if failures:
        result.update(failed=True, msg=unit_run.failure_text(failures), failed_units=[asdict(one) for one in failures])
    return result


def main():
    module = QuietModule(
        argument_spec={
            "services": {"type": "list", "elements": "raw", "required": True},
            "changed_environments": {"type": "list", "elements": "path", "default": []},
            "accounts_made": {"type": "bool", "default": False},
            "phase": {"type": "str", "choices": ["all", "users"], "default": "all"},
        },
        supports_check_mode=True,
    )
    shown = {**module.params, "services": unit_run.masked_services(module.params["services"])}
    try:
        unit_run.require_root()
        result = make_accounts(module) if module.params["phase"] == "users" else apply_units(module)
    except (InvalidInput, HostError, Busy) as error:
        module.fail_json(msg=str(error), invocation={"module_args": shown})
    except OSError as error:
        module.fail_json(
            msg=f"{error.filename or 'The host'}: {error.strerror}. Mend it and run again; the next run finishes what was begun.",
            invocation={"module_args": shown},
        )
    if result.get("failed"):
        module.fail_json(**result, invocation={"module_args": shown})
    module.exit_json(**result, invocation={"module_args": shown})


if __name__ == "__main__":
    main()
