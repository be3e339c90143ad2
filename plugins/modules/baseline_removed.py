#!/usr/bin/python
# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Take everything of this collection away from a managed node."""

from __future__ import annotations

DOCUMENTATION = r"""
module: baseline_removed
short_description: Take everything of this collection away from a managed node, in one call
version_added: 0.1.0
description:
  - Stops, disables and removes every unit that M(stability.baseline.systemd_units) made, and removes its drop-ins, those for
    journald, the marks in virtual environments, and C(/var/lib/stability).
  - A unit file of somebody else that was replaced is put back, and the unit goes on as it was found, running or not, enabled or
    not. The unit of a package that was overridden is in effect again, likewise. A unit under a drop-in keeps running.
  - Users and groups, virtual environments and the journal stay. They hold what belongs to the services and to you.
  - Without the settings of the collection journald has its own limits again, at most 4 GiB or a tenth of the file system, and removes
    what is over them. A warning tells when that concerns records, before and in check mode.
  - No lists are needed; what is ours is read from the managed node.
author:
  - stability.baseline contributors (@stability)
options:
  environments:
    description:
      - The value of C(stability_environments), if there is one. The marks (C(stability-generation.json)) in each C(virtualenv)
        are removed, and the folder beside it in which earlier environments are kept; the virtual environments stay.
      - The list need not be right any longer. A member without C(virtualenv) is passed over.
    type: list
    elements: raw
    default: []
requirements:
  - systemd 247 or newer
  - Python 3.9 or newer
extends_documentation_fragment:
  - stability.baseline.applied
attributes:
  idempotent:
    description: A second run changes nothing.
    support: full
seealso:
  - module: stability.baseline.systemd_units
  - module: stability.baseline.journald
"""

EXAMPLES = r"""
- name: Take the stability baseline away
  stability.baseline.baseline_removed:
    environments:
      - virtualenv: /opt/api/venv
        pins: ["requests==2.32.3"]
"""

RETURN = r"""
actions:
  description: What was done, or in check mode would be done, one line each, in order.
  type: list
  elements: str
  returned: always
  sample: [stop web.service: it is removed, disable web.service, remove /etc/systemd/system/web.service, daemon-reload]
"""

from contextlib import nullcontext

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.stability.baseline.plugins.module_utils import journal_run, unit_run
from ansible_collections.stability.baseline.plugins.module_utils.commands import EnvironmentFailure
from ansible_collections.stability.baseline.plugins.module_utils.manifest import Busy, Unreadable, locked
from ansible_collections.stability.baseline.plugins.module_utils.systemd_host import HostError
from ansible_collections.stability.baseline.plugins.module_utils.unit_question import require_root
from ansible_collections.stability.baseline.plugins.module_utils.unit_removal import (
    apply_removal,
    forget_all,
    prepare_removal,
    virtualenvs_of,
)


class QuietModule(AnsibleModule):
    """A module whose options, and with them the addresses of package indexes, stay out of the managed node's journal.

    The option C(no_log) of AnsibleModule does not do that: what the task says takes its place.
    """

    def _log_invocation(self):
        self.log("Invoked; the options are not logged, they may hold credentials")


def remove(module):
    """Return the result, with C(failed) set when a unit does not go on as it was."""
    with nullcontext() if module.check_mode else locked():
        removal, observed = prepare_removal(module.params["environments"])
        journal = journal_run.prepare_absence()
        result = {
            "changed": removal.changed or journal.plan.changed,
            "actions": [*removal.actions(), *journal.plan.actions()],
        }
        if module._diff:
            result["diff"] = [*unit_run.diff(removal.plan, removal.actions()), *journal_run.diff(journal.plan)]
        complaints = []
        if not module.check_mode:
            complaints = apply_removal(removal, observed)
            journal_run.carry_out(journal)
            forget_all(removal)
    for warning in [*removal.plan.warnings, *journal.plan.warnings]:
        module.warn(warning)
    if complaints:
        result.update(failed=True, msg=f"{complaints[0].rstrip('.')}. Look at systemctl status; all else was removed.")
    return result


def main():
    module = QuietModule(
        argument_spec={"environments": {"type": "list", "elements": "raw", "default": []}},
        supports_check_mode=True,
    )
    # The result shows them as its invocation: nothing else of an environment may be there, its index could hold a password.
    module.params["environments"] = virtualenvs_of(module.params["environments"])
    try:
        require_root()
        result = remove(module)
    except (HostError, EnvironmentFailure, Busy, Unreadable) as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(
            msg=f"{error.filename or 'The host'}: {error.strerror}. Mend it and run again; the next run finishes what was begun."
        )
    if result.get("failed"):
        module.fail_json(**result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
