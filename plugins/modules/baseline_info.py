#!/usr/bin/python
# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judge the Python services and environments of a managed node, without changing anything."""

from __future__ import annotations

DOCUMENTATION = r"""
module: baseline_info
short_description: Judge the Python services and virtual environments of a managed node
version_added: 0.1.0
description:
  - Reads everything that the audit needs in one call, and returns what is wrong, with what was seen and the lines of the
    inventory that mend it.
  - What counts is what is in effect, whoever has made it so. That is systemd's merged properties, the running process, and the
    files of the virtual environment.
  - Nothing is changed. Only the digests of installed files, and what was found in source, are remembered, and not even those in check mode.
  - Without root it sees less, and says what it could not see.
author:
  - stability.baseline contributors (@stability)
options:
  services:
    description:
      - The value of C(stability_services). Without it, or when it is empty, every service is judged whose main process is a Python,
        or would be, or is a shell that has started one.
    type: list
    elements: raw
    default: []
  environments:
    description:
      - The value of C(stability_environments), which says what is pinned. The virtual environments of the services are judged, too.
    type: list
    elements: raw
    default: []
  waivers:
    description:
      - The value of C(stability_waivers), a list of mappings with C(id) of a rule, C(subject) (a pattern for names of units and paths
        of virtual environments, such as C(legacy-*.service)), C(until) (a date) and C(reason).
      - A finding that one fits is returned as waived, and not counted. One that has expired is a finding itself.
    type: list
    elements: raw
    default: []
  live:
    description:
      - Whether services are asked to make a record at each level, through each logger that is configured, which are then looked for
        in the journal (SB208). A process with the same settings of the unit does so for a service that cannot be asked.
      - That is the one thing which leaves something behind, the records. In check mode it is not done.
    type: bool
    default: false
requirements:
  - Python 3.9 or newer
extends_documentation_fragment:
  - stability.baseline.without_diff
seealso:
  - module: stability.baseline.systemd_units
  - module: stability.baseline.pip_pinned
"""

EXAMPLES = r"""
- name: What is wrong with the Python services of this host
  stability.baseline.baseline_info:
  register: baseline

- name: The worst of it
  ansible.builtin.debug:
    msg: "{{ baseline.findings | selectattr('severity', 'eq', 'error') | map(attribute='title') | list }}"
"""

RETURN = r"""
version:
  description: The version of what is returned.
  type: int
  returned: success
systemd:
  description: The version of systemd, V(null) on a managed node without it.
  type: int
  returned: success
root:
  description: Whether everything could be looked at as root.
  type: bool
  returned: success
services:
  description: The units that were judged.
  type: list
  elements: dict
  returned: success
  contains:
    unit:
      description: The unit.
      type: str
    ours:
      description: Whether its unit file is one of the baseline.
      type: bool
    state:
      description: Its C(ActiveState=).
      type: str
    load_state:
      description: Its C(LoadState=). What systemd refuses to load (C(bad-setting)) is judged by that alone.
      type: str
    restarts:
      description: How often systemd has restarted it since somebody started it.
      type: int
    virtualenv:
      description: The virtual environment that it runs in, V(null) for none.
      type: str
    age:
      description: Seconds since its main process was started, V(null) when there is none.
      type: int
    canary:
      description: >-
        What became of the records that it was asked to make, V(null) when it was not asked. One mapping for each logger of each
        process, with C(asked) (what made them), C(pid), C(library), C(logger), C(arrived) (the priority of each level), C(lost) and
        C(repeated) (levels), and C(units) (what they belong to in the journal).
      type: list
      elements: dict
    samples:
      description: >-
        What the role leakwatch has seen of it, at most 20 points in time with C([seconds since 1970, most bytes of memory, restarts]), the
        oldest first; empty without it.
      type: list
      elements: list
    memory:
      description: Bytes that its control group has, V(null) when that is not known.
      type: int
    memory_high:
      description: C(MemoryHigh=) in bytes, V(null) for none.
      type: int
    memory_max:
      description: C(MemoryMax=) in bytes, V(null) for none.
      type: int
environments:
  description: The virtual environments that were judged.
  type: list
  elements: dict
  returned: success
  contains:
    virtualenv:
      description: The folder.
      type: str
    python:
      description: The version of its Python.
      type: str
    distributions:
      description: The version of each installed distribution.
      type: dict
findings:
  description: What is wrong, the worst first.
  type: list
  elements: dict
  returned: success
  contains:
    id:
      description: The rule.
      type: str
    severity:
      description: V(error), V(warning) or V(info).
      type: str
    subject:
      description: The unit or virtual environment.
      type: str
    title:
      description: What is wrong, in a line.
      type: str
    seen:
      description: What was seen.
      type: str
    mend:
      description: Variables of the inventory that mend it, V(null) where there are none.
      type: dict
    location:
      description: C(file) and C(line) of the source code that it is about, V(null) where it is about none.
      type: dict
    waived:
      description: C(until) and C(reason) of the waiver that silences it, V(null) where none does.
      type: dict
  sample:
    - id: SB101
      severity: error
      subject: api.service
      title: It does not come back after every end
      seen: Restart=no
      mend: {stability_services: [{name: api, drop_in: true, restart: always}]}
      location: null
      waived: null
counts:
  description: The number of findings of each severity, without those that are waived.
  type: dict
  returned: success
  sample: {error: 1, warning: 0, info: 2}
unseen:
  description: What could not be looked at, and why.
  type: list
  elements: str
  returned: success
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.stability.baseline.plugins.module_utils.audit_run import run_audit
from ansible_collections.stability.baseline.plugins.module_utils.problems import InvalidInput


class QuietModule(AnsibleModule):
    """A module whose options, and with them the environments of services, stay out of the managed node's journal.

    The option C(no_log) of AnsibleModule does not do that: what the task says takes its place.
    """

    def _log_invocation(self):
        self.log("Invoked; the options are not logged, they hold environments")


def main():
    """Run the module."""
    lists = {"type": "list", "elements": "raw", "default": []}
    options = ("services", "environments", "waivers")
    live = {"live": {"type": "bool", "default": False}}
    module = QuietModule(argument_spec={**dict.fromkeys(options, lists), **live}, supports_check_mode=True)
    acts = not module.check_mode
    try:
        audit = run_audit(*(module.params[one] for one in options), remember=acts, live=acts and module.params["live"])
    except InvalidInput as invalid:
        module.fail_json(msg=str(invalid), invocation={})
    except OSError as error:
        module.fail_json(msg=f"{error.filename or 'The host'}: {error.strerror}. Mend it and run again.", invocation={})
    module.exit_json(changed=False, **audit.result(), invocation={})


if __name__ == "__main__":
    main()
