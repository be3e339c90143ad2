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
  - All problems of the list are reported at once, on the controller, before anything is touched. Staged unit files must pass
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
  started_units:
    description:
      - What RV(stability.baseline.pip_pinned#module:started_units) of an earlier step of the same run says. Such a unit is not
        restarted because its virtual environment changed; it still has to stay up.
    type: dict
    default: {}
  accounts_made:
    description:
      - Whether an earlier step of the same run has made the missing users and groups, with O(phase=users).
      - It matters in check mode, where that step has changed nothing yet.
    type: bool
    default: false
  journald:
    description:
      - The settings of the journal, as O(stability.baseline.journald#module:settings), to be applied before the units in the same
        call, for the namespaces that O(services) use.
      - V(true) stands for the settings that the variables C(stability_journald_*) say.
      - Without it, the journal is left alone. With O(phase=users) it is not looked at.
    type: raw
  runtime:
    description:
      - The files of the runtime, by their names, for services with C(probe) or with C(logging) that is applied at their start.
      - The action hands them over where a service needs them; leave it out.
    type: dict
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
extends_documentation_fragment:
  - stability.baseline.applied
attributes:
  action:
    description: Indicates this has a corresponding action plugin so some parts of the options can be executed on the controller.
    support: full
  idempotent:
    description: A second run with the same list and unchanged paths changes nothing.
    support: full
seealso:
  - module: stability.baseline.pip_pinned
  - module: stability.baseline.journald
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
switch_delays:
  description:
    - For each virtual environment that changed under services which were then restarted, how long it took until the last of
      them was; until then they ran without a part of what they may yet import.
  type: list
  elements: dict
  returned: always
  contains:
    virtualenv:
      description: The folder of the virtual environment.
      type: str
    seconds:
      description: Seconds from the switch to the last restart.
      type: float
  sample: [{virtualenv: /opt/api/venv, seconds: 2.31}]
failed_environments:
  description:
    - Virtual environments that are not the ones with which units in RV(failed_units) last came up. The role C(service) goes back
      to the ones from before, and restarts the services on these.
  type: list
  elements: str
  returned: when a unit did not come up
  sample: [/opt/api/venv]
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

# The program ends within a second, and its objects with it; looking for garbage is a tenth of what it takes.
import gc
from contextlib import nullcontext
from dataclasses import asdict

gc.disable()

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.stability.baseline.plugins.module_utils.manifest import Busy, Unreadable, locked
from ansible_collections.stability.baseline.plugins.module_utils.problems import InvalidInput
from ansible_collections.stability.baseline.plugins.module_utils.systemd_host import HostError
from ansible_collections.stability.baseline.plugins.module_utils.unit_question import Known, require_root


class QuietModule(AnsibleModule):
    """A module whose options, and with them the environments of services, stay out of the managed node's journal.

    The option C(no_log) of AnsibleModule does not do that: what the task says takes its place.
    """

    def _log_invocation(self):
        self.log("Invoked; the options are not logged, they hold environments")


def shown_options(module):
    """Return the options as the result shows them."""
    from ansible_collections.stability.baseline.plugins.module_utils import unit_run

    shown = {
        "services": unit_run.masked_services(module.params["services"]),
        "runtime": sorted(module.params["runtime"] or ()),
    }
    return {"module_args": {**module.params, **shown}}


def make_accounts(module):
    """Return the result of the phase C(users)."""
    from ansible_collections.stability.baseline.plugins.module_utils import accounts, unit_run

    plan = unit_run.prepare_accounts(module.params["services"])
    for account in () if module.check_mode else plan.accounts:
        accounts.make_account(account)
    return unit_run.shown(plan, module._diff)


def apply_units(module):
    """Return the result of the phase C(all), with C(failed) set when a unit did not come up."""
    with nullcontext() if module.check_mode else locked():
        known = Known()
        # Imported here: it has to be compiled, and systemd answers meanwhile.
        from ansible_collections.stability.baseline.plugins.module_utils import unit_journal, unit_run

        asked = unit_run.ask(module.params["services"], known)
        options = ("changed_environments", "started_units", "accounts_made")
        earlier = unit_run.Earlier(*(module.params[option] for option in options))
        prepared = unit_run.prepare(asked, earlier, module.check_mode, module.params["runtime"])
        journal = unit_journal.prepare(module.params["journald"], prepared.services, asked.version)
        result = unit_run.shown(prepared.plan, module._diff)
        carried = unit_run.Carried()
        if not module.check_mode:
            unit_journal.carry_out(journal)
            carried = unit_run.carry_out(prepared)
    for warning in [*journal.plan.warnings, *prepared.warnings]:
        module.warn(warning)
    result = {**unit_journal.joined(journal, result), "switch_delays": list(carried.delays)}
    if carried.failures:
        units = [asdict(one) for one in carried.failures]
        result.update(failed=True, msg=unit_run.failure_text(carried.failures), failed_units=units)
        result["failed_environments"] = list(carried.to_go_back)
    return result


def main():
    module = QuietModule(
        argument_spec={
            "services": {"type": "list", "elements": "raw", "required": True},
            "changed_environments": {"type": "list", "elements": "path", "default": []},
            "started_units": {"type": "dict", "default": {}},
            "accounts_made": {"type": "bool", "default": False},
            "journald": {"type": "raw"},
            "runtime": {"type": "dict"},
            "phase": {"type": "str", "choices": ["all", "users"], "default": "all"},
        },
        supports_check_mode=True,
    )
    try:
        require_root()
        result = make_accounts(module) if module.params["phase"] == "users" else apply_units(module)
    except (InvalidInput, HostError, Busy, Unreadable) as error:
        module.fail_json(msg=str(error), invocation=shown_options(module))
    except OSError as error:
        module.fail_json(
            msg=f"{error.filename or 'The host'}: {error.strerror}. Mend it and run again; the next run finishes what was begun.",
            invocation=shown_options(module),
        )
    if result.get("failed"):
        module.fail_json(**result, invocation=shown_options(module))
    module.exit_json(**result, invocation=shown_options(module))


if __name__ == "__main__":
    main()
