#!/usr/bin/python
# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action C(audit_report), which runs on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: audit_report
short_description: Make one report of the audit of all hosts
version_added: 0.1.0
description:
  - Makes a report of what M(stability.baseline.baseline_info) returned for each host. C(report.html) is for people, C(report.json)
    for programs (C(docs/report.schema.json) describes it), C(report.xml) (JUnit) for continuous integration, and C(report.sarif)
    for what shows findings beside source code.
  - Prints a short table at the end, and sets one aggregated statistic C(stability_audit).
  - No connection to a managed node is made. In check mode no file is written.
author:
  - stability.baseline contributors (@stability)
options:
  results:
    description:
      - What M(stability.baseline.baseline_info) returned, by the name of the host.
      - A host with a result that failed, or that could not be reached, is in the report as one that could not be audited.
    type: dict
    required: true
  report_dir:
    description: The folder on the controller for the report; it is made when it is missing.
    type: path
    default: stability-report
  fail_on:
    description:
      - From which findings on RV(verdict) says that a play should fail. With V(none) it never does.
      - With V(error) it does for an error that is not waived, and for a host that could not be audited; with V(warning) for a
        warning, too.
      - The task itself does not fail, since the statistics of a task that fails are not set.
    type: str
    choices: [none, error, warning]
    default: none
  compare_with:
    description:
      - The C(report.json) of an earlier audit. The new report says of each finding whether it is new, and which ones were fixed.
      - Default is the report that is in O(report_dir) from before.
    type: path
extends_documentation_fragment:
  - stability.baseline.without_diff
attributes:
  action:
    description: Indicates this has a corresponding action plugin so some parts of the options can be executed on the controller.
    support: full
seealso:
  - module: stability.baseline.baseline_info
"""

EXAMPLES = r"""
- name: Audit the host
  stability.baseline.baseline_info:
  register: audited

- name: Make one report of all hosts
  stability.baseline.audit_report:
    results: "{{ dict(ansible_play_hosts | zip(ansible_play_hosts | map('extract', hostvars, 'audited'))) }}"
    report_dir: /tmp/stability-report
    fail_on: error
  run_once: true
  register: report

- name: Fail where there is an error
  ansible.builtin.assert:
    that: report.verdict == ''
    fail_msg: "{{ report.verdict }}"
  run_once: true
"""

RETURN = r"""
summary:
  description: The numbers of hosts, of those audited, of services and environments, and of findings of each severity.
  type: dict
  returned: always
  sample: {hosts: 2, audited: 2, services: 7, environments: 3, error: 1, warning: 0, info: 4, waived: 1}
verdict:
  description: Why a play should fail, empty when it should not.
  type: str
  returned: always
  sample: "1 host has errors: web1. Mend what the report names, or waive it with stability_waivers until a date."
table:
  description: The table that was printed.
  type: list
  elements: str
  returned: always
files:
  description: The files that were written.
  type: list
  elements: str
  returned: always
  sample: [/tmp/stability-report/report.html]
"""
