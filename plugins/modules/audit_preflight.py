#!/usr/bin/python
# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action C(audit_preflight), which runs on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: audit_preflight
short_description: Validate what an audit is told of a host before any host is looked at
version_added: 0.1.0
description:
  - Validates C(stability_services), C(stability_environments), C(stability_waivers), C(stability_fail_on) and
    C(stability_compare_with) on the controller and reports all problems at once, each with item, key, value and what was expected.
  - M(stability.baseline.baseline_info) refuses the same, but what fails on a host is a line of the report, and a mistake of the
    inventory is none of the host.
  - The role C(audit) calls it first. No connection to the managed node is made.
author:
  - stability.baseline contributors (@stability)
options:
  services:
    description: The value of C(stability_services).
    type: list
    elements: raw
  environments:
    description: The value of C(stability_environments).
    type: list
    elements: raw
  waivers:
    description: The value of C(stability_waivers).
    type: list
    elements: raw
  fail_on:
    description: The value of C(stability_fail_on).
    type: str
  compare_with:
    description: The value of C(stability_compare_with); a report that is named has to be there.
    type: path
extends_documentation_fragment:
  - stability.baseline.without_diff
attributes:
  action:
    description: Indicates this has a corresponding action plugin so some parts of the options can be executed on the controller.
    support: full
seealso:
  - module: stability.baseline.baseline_info
  - module: stability.baseline.audit_report
"""

EXAMPLES = r"""
- name: Check the waivers of this host
  stability.baseline.audit_preflight:
    services: "{{ stability_services }}"
    environments: "{{ stability_environments }}"
    waivers: "{{ stability_waivers }}"
  any_errors_fatal: true
"""

RETURN = r"""
# Nothing but what every action returns.
"""
