#!/usr/bin/python
# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Let a managed node watch the memory of its services."""

from __future__ import annotations

DOCUMENTATION = r"""
module: leakwatch
short_description: Watch the memory of the services of a managed node, and tell what only grows
version_added: 0.1.0
description:
  - Installs a timer that samples all services of the baseline once a minute, also those that are deployed later, and keeps the samples
    in C(/var/lib/stability/leakwatch.sqlite).
  - What somebody has to know is one warning in the journal with fields of its own; memory that only grows, a crash loop, workers that
    end again and again below a main process that goes on, a service that was killed because of its memory.
  - For services without C(memory_max) it proposes one from what was measured. It sets none.
  - The guide (C(docs/leakwatch.md)) tells what is found when, and what a round costs.
author:
  - stability.baseline contributors (@stability)
options:
  interval:
    description: The time from one sample to the next, from V(1s) to V(2min).
    type: str
    default: 1min
  keep_days:
    description: Samples that are older, in days, are forgotten.
    type: str
    default: "7"
  keep_size:
    description: The most that the samples may take of the disk. Where that is less than O(keep_days) take, the oldest go.
    type: str
    default: 64M
  textfile_dir:
    description:
      - The folder of the textfile collector of C(node_exporter). When it is given, the metrics of the services are written there.
    type: str
    default: ""
  alert_unit:
    description:
      - A unit that is started when there is something new to be told, once an hour at most.
      - Of a template, such as V(alert@.service), the instance with the name of the service is started, each once an hour at most.
    type: str
    default: ""
  restart_time_to_cap:
    description:
      - A service that reaches its memory cap within this time is restarted, with all that its unit says about a stop.
      - Empty for never.
    type: str
    default: ""
  restart_slope:
    description: A service whose memory only grows by more than so much in an hour is restarted. Empty for never.
    type: str
    default: ""
  restart_not_between:
    description: Times of the managed node's day at which no service is restarted, such as V(08:00-18:00).
    type: list
    elements: str
    default: []
  state:
    description:
      - V(present) installs the timer and what it runs.
      - V(absent) removes all of it, the samples and the metrics, too.
    type: str
    choices: [present, absent]
    default: present
requirements:
  - systemd 247 or newer
  - Python 3.9 or newer with its module sqlite3
extends_documentation_fragment:
  - stability.baseline.applied
attributes:
  idempotent:
    description: A second run with the same options changes nothing.
    support: full
seealso:
  - module: stability.baseline.systemd_units
"""

EXAMPLES = r"""
- name: Watch the services, and tell in the journal
  stability.baseline.leakwatch:

- name: Watch the services, and restart one that has less than two hours left, by night
  stability.baseline.leakwatch:
    keep_days: "14"
    keep_size: 256M
    restart_time_to_cap: 2h
    restart_not_between: ["06:00-22:00"]

- name: Watch them no more
  stability.baseline.leakwatch:
    state: absent
"""

RETURN = r"""
actions:
  description: What was done, or in check mode would be done, one line each, in order.
  type: list
  elements: str
  returned: success
  sample: [create /usr/local/lib/stability/leakwatch/settings.json, daemon-reload, start stability-leakwatch.timer]
proposed:
  description: Services that run without C(memory_max) and were sampled for an hour or more, with a cap that would have been enough.
  type: list
  elements: dict
  returned: success
  contains:
    unit:
      description: The unit.
      type: str
    peak:
      description: The most memory, in bytes, that it was sampled with.
      type: int
    hours:
      description: For how many hours it was sampled.
      type: float
    memory_max:
      description: That, and a quarter more, in whole 16 MiB.
      type: str
    text:
      description: All of that in a line.
      type: str
"""

from contextlib import nullcontext

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.stability.baseline.plugins.module_utils import leakwatch_run
from ansible_collections.stability.baseline.plugins.module_utils.manifest import Busy, locked
from ansible_collections.stability.baseline.plugins.module_utils.problems import InvalidInput
from ansible_collections.stability.baseline.plugins.module_utils.systemd_host import HostError


def set_up(module):
    """Return the result; what is said of it goes to the module's warnings."""
    with nullcontext() if module.check_mode else locked():
        if module.params["state"] == "absent":
            prepared = leakwatch_run.prepare_absence()
        else:
            prepared = leakwatch_run.prepare(module.params, module.check_mode)
        if not module.check_mode:
            leakwatch_run.carry_out(prepared)
            if module.params["state"] == "absent":
                leakwatch_run.forget()
    for warning in prepared.warnings:
        module.warn(warning)
    result = {**leakwatch_run.describe(prepared.plan), "proposed": [one.result() for one in prepared.proposed]}
    return {**result, "diff": leakwatch_run.diff(prepared.plan)} if module._diff else result


def main():
    module = AnsibleModule(
        argument_spec={
            "interval": {"type": "str", "default": "1min"},
            "keep_days": {"type": "str", "default": "7"},
            "keep_size": {"type": "str", "default": "64M"},
            "textfile_dir": {"type": "str", "default": ""},
            "alert_unit": {"type": "str", "default": ""},
            "restart_time_to_cap": {"type": "str", "default": ""},
            "restart_slope": {"type": "str", "default": ""},
            "restart_not_between": {"type": "list", "elements": "str", "default": []},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        supports_check_mode=True,
    )
    try:
        leakwatch_run.require_root()
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
