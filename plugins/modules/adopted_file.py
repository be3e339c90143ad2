#!/usr/bin/python
# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action C(adopted_file), which runs on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: adopted_file
short_description: Write what was read of a host as a file of its variables
version_added: 0.1.0
description:
  - Writes the lists that M(stability.baseline.adopt_info) returned as C(<host>.yml) into a folder on the controller, as it can be put into
    C(host_vars). What somebody has to decide stands beside each item as a comment that begins with C(decide).
  - A file of that name with another content is kept, since somebody may have decided things in it. What was read now is then written
    beside it as C(<host>.yml.new), and a warning says so.
  - Only the one who runs this can read the file. No connection to a managed node is made. In check mode nothing is written.
author:
  - stability.baseline contributors (@stability)
options:
  found:
    description: What M(stability.baseline.adopt_info) returned.
    type: dict
    required: true
  dest:
    description: The folder on the controller; it is made when it is missing.
    type: path
    default: stability-adopted
extends_documentation_fragment:
  - stability.baseline.without_diff
attributes:
  action:
    description: Indicates this has a corresponding action plugin so some parts of the options can be executed on the controller.
    support: full
seealso:
  - module: stability.baseline.adopt_info
"""

EXAMPLES = r"""
- name: Read the host
  stability.baseline.adopt_info:
  register: adopted

- name: Write what was read beside the inventory
  stability.baseline.adopted_file:
    found: "{{ adopted }}"
    dest: /tmp/stability-adopted
"""

RETURN = r"""
path:
  description: The file that has what was read now.
  type: str
  returned: success
  sample: /tmp/stability-adopted/app1.yml
decisions:
  description: How many things are to be decided.
  type: int
  returned: success
  sample: 3
"""
