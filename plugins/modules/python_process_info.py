#!/usr/bin/python
# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask a running Python process what it holds in memory, without changing anything."""

from __future__ import annotations

DOCUMENTATION = r"""
module: python_process_info
short_description: Ask a running Python process what it holds in memory
version_added: 0.1.0
description:
  - Returns the census of each Python process of a service. That is the number and size of its objects by class in the oldest
    generation of the garbage collector, the state of the collector, threads, tasks of asyncio, open files and sockets, and loggers.
  - Of two censuses it returns what has grown, and what holds the objects of the class that has grown most, as names in the source.
    No value of the program is ever returned.
  - The program goes on meanwhile. Nothing is collected, no object is kept, no code of the program runs, and it is never stopped for
    longer than O(longest_stop).
  - A process is asked through the runtime, for which its service has C(probe) in C(stability_services). On Python 3.14 and newer
    one without it is asked as well, when its main thread runs Python code.
  - In check mode it does the same, as nothing is changed.
author:
  - stability.baseline contributors (@stability)
options:
  unit:
    description:
      - The service whose Python processes are asked, at most 16 of them.
      - One of O(unit) and O(pid) is needed.
    type: str
  pid:
    description:
      - The number of the process that is asked.
    type: int
  seconds:
    description:
      - After so many seconds a second census is taken, and what has grown meanwhile is returned.
    type: float
    default: 0
  previous:
    description:
      - RV(processes) of an earlier result, in place of a first census. A process that was started anew since then has not grown.
    type: list
    elements: dict
    default: []
  chains:
    description:
      - Whether to look for what holds the objects of the class that has grown most.
    type: bool
    default: true
  classes:
    description:
      - Names of classes for which this is looked for in any case, as they are in RV(processes[].classes), at most three.
    type: list
    elements: str
    default: []
  longest_stop:
    description:
      - The milliseconds for which the other threads of the process may be stopped at a time.
      - A process with so many objects that it could take longer is not asked. At 250 that is one with about six million blocks of
        memory, that is about half a gigabyte in small objects.
    type: int
    default: 250
requirements:
  - Python 3.9 or newer
extends_documentation_fragment:
  - stability.baseline.without_diff
seealso:
  - module: stability.baseline.baseline_info
"""

EXAMPLES = r"""
- name: What the service api holds, and what of it grows within half a minute
  stability.baseline.python_process_info:
    unit: api.service
    seconds: 30
  register: census

- name: What grows, and what holds it
  ansible.builtin.debug:
    msg: "{{ item.growth[:5] }} {{ item.chains }}"
  loop: "{{ census.processes }}"
  loop_control:
    label: "{{ item.pid }}"

- name: What has come since then
  stability.baseline.python_process_info:
    unit: api.service
    previous: "{{ census.processes }}"
"""

RETURN = r"""
unit:
  description: The service, V(null) for a process that is of none.
  type: str
  returned: success
processes:
  description: The processes that have answered.
  type: list
  elements: dict
  returned: success
  contains:
    pid:
      description: The number of the process.
      type: int
    started:
      description: When it was started, in ticks of the clock since the boot.
      type: int
    asked:
      description: The way that it was asked, V(probe) or V(remote_exec).
      type: str
    python:
      description: The version of its Python.
      type: str
    time:
      description: When the census was taken, in seconds since 1970.
      type: float
    objects:
      description: >-
        C(number) of objects in the C(generations) that were looked at, how many of them were C(counted), the others are estimated from
        these, and the C(blocks) of memory that Python's allocator has given out.
      type: dict
    anonymous:
      description: The memory of the process that is backed by no file, in bytes.
      type: int
    classes:
      description: >-
        Mappings with C(class), C(objects) and C(bytes), those with the most objects first. The bytes are those of the objects
        alone, without what they refer to.
      type: list
      elements: dict
    others:
      description: The number of C(classes) beside these, and their C(objects) and C(bytes).
      type: dict
    garbage:
      description: The C(number) of objects in C(gc.garbage), and their C(classes) with how many there are of each.
      type: dict
    collector:
      description: >-
        Whether the collector is C(enabled), the number of C(frozen) objects, which it does not show, its C(debug) flags,
        C(thresholds), C(counts), C(stats), and number of C(callbacks).
      type: dict
    threads:
      description: >-
        Mappings with C(name), C(daemon), C(alive), C(known) (whether Python's C(threading) knows it), and C(at), the function with the
        file and line where it is.
      type: list
      elements: dict
    tasks:
      description: The tasks of asyncio by their C(states), and by the C(coroutines) that they run.
      type: dict
    descriptors:
      description: The number of open files and sockets by kind, V(null) where that may not be seen.
      type: dict
    logging:
      description: The loggers with a level or handler of their own, V(null) when they are not known.
      type: dict
    stops:
      description: The C(calls) that have stopped the process, and how long the C(longest) and all (C(total)) of them took, in milliseconds.
      type: dict
    seconds:
      description: The time since the census before, V(null) when there is none.
      type: float
    frozen_grown:
      description: How many more objects are frozen than before, which no census can name, V(null) without an earlier census.
      type: int
    growth:
      description: >-
        The classes of which there are more objects than before, those that have grown most first, V(null) without an earlier
        census. Mappings with C(class), C(objects), C(grown) and C(grown_bytes).
      type: list
      elements: dict
    chains:
      description: >-
        Mappings with C(class) and C(held_by), the shortest way from a module, class or function that runs to an object of the class.
      type: list
      elements: dict
  sample:
    - pid: 4711
      started: 190532
      asked: probe
      python: 3.11.2
      classes: [{class: app.orders.Order, objects: 91200, bytes: 4377600}]
      seconds: 30.1
      growth: [{class: app.orders.Order, objects: 91200, grown: 1840, grown_bytes: 88320}]
      chains: [{class: app.orders.Order, held_by: "module app.cache: RECENT → list → app.orders.Order"}]
unseen:
  description: What could not be found out, and why.
  type: list
  elements: str
  returned: success
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.stability.baseline.plugins.module_utils.census_run import Asked, NoAnswer, run_census
from ansible_collections.stability.baseline.plugins.module_utils.problems import InvalidInput
from ansible_collections.stability.baseline.plugins.module_utils.systemd_host import HostError


def main():
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "unit": {"type": "str"},
            "pid": {"type": "int"},
            "seconds": {"type": "float", "default": 0},
            "previous": {"type": "list", "elements": "dict", "default": []},
            "chains": {"type": "bool", "default": True},
            "classes": {"type": "list", "elements": "str", "default": []},
            "longest_stop": {"type": "int", "default": 250},
        },
        mutually_exclusive=[("unit", "pid")],
        required_one_of=[("unit", "pid")],
        supports_check_mode=True,
    )
    try:
        found = run_census(Asked(**{**module.params, "unit": module.params["unit"] or ""}))
    except (HostError, InvalidInput, NoAnswer) as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg=f"{error.filename or 'The host'}: {error.strerror}. Mend it and run again.")
    module.exit_json(changed=False, **found.result())


if __name__ == "__main__":
    main()
