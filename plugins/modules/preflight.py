#!/usr/bin/python
# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action C(preflight), which runs on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: preflight
short_description: Validate the lists of a host and the settings of its journal before anything is touched
version_added: 0.1.0
description:
  - Validates C(stability_services) and C(stability_environments) on the controller and reports all problems at once,
    each with item, key, value, what was expected, and the nearest known key.
  - Validates the settings of the journal, too, where O(journald) is given.
  - The roles of this collection call it first. No connection to the managed node is made.
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
  journald:
    description:
      - The settings of the journal, by their names without C(stability_journald_), or V(true) for those that the variables
        C(stability_journald_*) say.
      - Without it, nothing is said of them, and RV(settings) and RV(namespaces) are empty.
    type: raw
extends_documentation_fragment:
  - stability.baseline.without_diff
attributes:
  action:
    description: Indicates this has a corresponding action plugin so some parts of the options can be executed on the controller.
    support: full
seealso:
  - module: stability.baseline.systemd_units
  - module: stability.baseline.pip_pinned
  - module: stability.baseline.journald
"""

EXAMPLES = r"""
- name: Check the lists of this host
  stability.baseline.preflight:
    services: "{{ stability_services }}"
    environments: "{{ stability_environments }}"
    journald:
      storage: persistent
      system_max_use: 2G
"""

RETURN = r"""
namespaces:
  description: The journal namespaces that the services use.
  type: list
  elements: str
  returned: success
  sample: [web]
settings:
  description: The settings of the journal as they are written, with the baseline's defaults for those that were not given.
  type: dict
  returned: success
  sample: {storage: persistent, system_max_use: 2G}
sources:
  description:
    - The source folders of each environment, in the order of the list, those of the services that run in it included. A service
      without C(sources) has its C(working_directory).
  type: list
  elements: list
  returned: success
  sample: [[/opt/api/src]]
stop_units:
  description:
    - For each environment, in the order of the list, the units that stop before its switch. Empty without C(stop_before_switch).
  type: list
  elements: list
  returned: success
  sample: [[api.service]]
gates_as:
  description:
    - For each environment, in the order of the list, the user (or C(user:group)) of the first service that runs in it, empty where
      none does. The checks run as that user where root owns the environment.
  type: list
  elements: str
  returned: success
  sample: [api]
uses_runtime:
  description: Whether a service has the runtime (C(probe), or C(logging) that is applied at its start).
  type: bool
  returned: success
"""
