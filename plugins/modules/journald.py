#!/usr/bin/python
# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Set up the journal of a managed node in one call."""

from __future__ import annotations

DOCUMENTATION = r"""
module: journald
short_description: Keep the journal of a managed node, and let nothing in it be dropped
version_added: 0.1.0
description:
  - Writes the settings of C(systemd-journald) as a drop-in, for the default namespace and for each one of O(namespaces), and
    lets journald take them over.
  - journald is restarted when what is in effect differs from what it was started with, and only then. Services keep their
    connection to it, and what they write meanwhile is not lost.
  - A journal that is to be kept is flushed to the disk, and the module fails when journald does not write there afterwards.
  - A journald that starts removes what is over its limits. A warning tells, before and in check mode, when a limit that will be in
    effect, whoever has set it, is below what the journal has.
  - Settings that contradict each other, the room on the disk, or the growth of the journal so far are refused before anything
    is touched, all at once.
author:
  - stability.baseline contributors (@stability)
options:
  settings:
    description:
      - The settings, by the names of the role variables without C(stability_journald_), as described in the collection's guide
        to the journal (C(docs/journald.md)).
      - A setting that is not given, or empty, has the baseline's default; most of them have none, and then journald's own holds.
      - Not looked at with O(state=absent).
    type: dict
    default: {}
  namespaces:
    description:
      - The journal namespaces to be set up besides the default one.
      - The drop-in for a namespace that is not named any longer is removed.
    type: list
    elements: str
    default: []
  state:
    description:
      - V(present) writes the drop-ins.
      - V(absent) removes all of them. The journal stays on the disk, as far as the limits that then hold leave it there.
    type: str
    choices: [present, absent]
    default: present
requirements:
  - systemd 247 or newer
  - Python 3.9 or newer
extends_documentation_fragment:
  - stability.baseline.applied
attributes:
  idempotent:
    description: A second run with the same settings changes nothing.
    support: full
seealso:
  - module: stability.baseline.systemd_units
  - name: journald.conf(5)
    description: The manual of journald's settings.
    link: https://www.freedesktop.org/software/systemd/man/latest/journald.conf.html
"""

EXAMPLES = r"""
- name: Keep the journal, and let services log as much as they want
  stability.baseline.journald:

- name: Keep four weeks in at most 2 GiB, also of the services that log into the namespace web
  stability.baseline.journald:
    settings:
      system_max_use: 2G
      max_retention_sec: 4w
      max_file_sec: 1d
    namespaces: [web]

- name: Leave the journal to the distribution again
  stability.baseline.journald:
    state: absent
"""

RETURN = r"""
actions:
  description: What was done, or in check mode would be done, one line each, in order.
  type: list
  elements: str
  returned: success
  sample:
    - create /etc/systemd/journald.conf.d/50-stability.conf
    - "restart systemd-journald.service: its configuration changes"
restarted:
  description: Units that were restarted.
  type: list
  elements: str
  returned: success
  sample: [systemd-journald.service]
"""

from contextlib import nullcontext

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.stability.baseline.plugins.module_utils import journal_run
from ansible_collections.stability.baseline.plugins.module_utils.manifest import Busy, locked
from ansible_collections.stability.baseline.plugins.module_utils.problems import InvalidInput
from ansible_collections.stability.baseline.plugins.module_utils.systemd_host import HostError


def set_up(module):
    """Return the result; what is said of it goes to the module's warnings."""
    with nullcontext() if module.check_mode else locked():
        if module.params["state"] == "absent":
            prepared = journal_run.prepare_absence()
        else:
            prepared = journal_run.prepare(module.params["settings"], module.params["namespaces"])
        if not module.check_mode:
            journal_run.carry_out(prepared)
    for warning in prepared.plan.warnings:
        module.warn(warning)
    result = journal_run.describe(prepared.plan)
    return {**result, "diff": journal_run.diff(prepared.plan)} if module._diff else result


def main():
    module = AnsibleModule(
        argument_spec={
            "settings": {"type": "dict", "default": {}},
            "namespaces": {"type": "list", "elements": "str", "default": []},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        supports_check_mode=True,
    )
    try:
        journal_run.require_root()
        result = set_up(module)
    except (InvalidInput, HostError, Busy) as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(
            msg=f"{error.filename or 'The host'}: {error.strerror}. Mend it and run again; the next run finishes what was begun."
        )
    module.exit_json(**result)


if __name__ == "__main__":
    main()
