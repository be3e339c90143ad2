#!/usr/bin/python
# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the Python services and environments of a managed node as lists for the baseline, without changing anything."""

from __future__ import annotations

DOCUMENTATION = r"""
module: adopt_info
short_description: Read the Python services and environments of a managed node as lists for the baseline
version_added: 0.1.0
description:
  - Reads the units, the programs of supervisord and the lines of crontabs that run Python, and the virtual environments that they run in,
    and returns them as C(stability_services) and C(stability_environments).
  - What the baseline does by default is left out, what was said otherwise is kept. What could not be decided is in RV(marks).
  - A secret is never returned. A variable stands where one was, for a value whose name speaks of secrets, and for an address with
    credentials.
  - Nothing is changed. Without root it sees less, and says what it could not see.
author:
  - stability.baseline contributors (@stability)
options: {}
requirements:
  - Python 3.9 or newer
extends_documentation_fragment:
  - stability.baseline.without_diff
seealso:
  - module: stability.baseline.adopted_file
  - module: stability.baseline.baseline_info
"""

EXAMPLES = r"""
- name: What runs on this host
  stability.baseline.adopt_info:
  register: adopted

- name: What is to be decided before the baseline takes it over
  ansible.builtin.debug:
    msg: "{{ adopted.marks }}"
"""

RETURN = r"""
services:
  description: The members of C(stability_services).
  type: list
  elements: dict
  returned: success
  sample: [{name: api, user: api, virtualenv: /opt/api/venv, exec_start: [/opt/api/venv/bin/gunicorn, "app:app"]}]
environments:
  description: The members of C(stability_environments).
  type: list
  elements: dict
  returned: success
  sample: [{virtualenv: /opt/api/venv, python: /usr/bin/python3.11, run_as: api, pins: ["gunicorn==23.0.0", "packaging==24.2"]}]
origins:
  description: Where each service was found, by its name.
  type: dict
  returned: success
  sample: {api: api.service, nightly: "/etc/cron.d/nightly:3"}
marks:
  description: What somebody has to decide.
  type: list
  elements: dict
  returned: success
  contains:
    subject:
      description: The name of a service, the folder of an environment, or where something was found that is in none of the lists.
      type: str
    text:
      description: What is to be decided.
      type: str
root:
  description: Whether everything could be looked at as root.
  type: bool
  returned: success
unseen:
  description: What could not be looked at, and why.
  type: list
  elements: str
  returned: success
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.stability.baseline.plugins.module_utils.adopt_run import run_adoption


def main():
    """Run the module."""
    module = AnsibleModule(argument_spec={}, supports_check_mode=True)
    try:
        adopted = run_adoption()
    except OSError as error:
        module.fail_json(msg=f"{error.filename or 'The host'}: {error.strerror}. Mend it and run again.")
    module.exit_json(changed=False, **adopted.result())


if __name__ == "__main__":
    main()
