#!/usr/bin/python
# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make a virtual environment hold exactly the pinned versions."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pip_pinned
short_description: Make a virtual environment hold exactly the pinned versions
version_added: 0.1.0
description:
  - Installs the pinned distributions whose version, origin or files differ, and nothing else, in one run of pip with
    C(--force-reinstall --no-deps). Distributions that nothing pins are never touched.
  - What is installed is read without pip, from the metadata of the distributions; every file of a pinned distribution is
    compared with its C(RECORD).
  - C(pip check) is run before and after a change, since pip ends with 0 after creating a conflict. When the change is
    refused, the versions from before are installed again, and the message says what the environment holds.
  - Makes the virtual environment when it is missing, and completes a change that a killed run left unfinished.
  - This version changes the environment I(in place). While pip works, the environment is neither the old one nor the
    new one.
author:
  - stability.baseline contributors (@stability)
options:
  virtualenv:
    description:
      - The folder of the virtual environment, an absolute path without blanks.
      - It is made with the module C(venv) of O(python) when nothing, or an empty folder, is there.
    type: str
    required: true
  python:
    description:
      - The interpreter that makes a missing virtual environment, an absolute path. Default is C(/usr/bin/python3).
      - It has no effect on a virtual environment that exists.
    type: str
  run_as:
    description:
      - The user, or the numeric id of one, who executes and writes everything inside the virtual environment.
      - Default is the owner of the folder; a new virtual environment belongs to the user of the connection, with
        C(become) to root.
    type: str
  pins:
    description:
      - Requirements of the form C(name[extras]==version; marker), each with one exact version.
      - O(pins), O(requirements) and O(requirements_content) are combined. At least one of them is needed; an empty list
        only makes the virtual environment.
      - Names are compared normalised (PEP 503), versions by the rules of PEP 440, so that V(1.0) is V(1.0.0), and V(2.0)
        is also V(2.0+cpu). Environment markers are those of the interpreter of the virtual environment.
      - Extras are allowed and change nothing; what they need has to be pinned.
    type: list
    elements: str
  requirements:
    description:
      - A requirements file on the managed node, in which every line is fully pinned. C(--hash) is honoured.
      - Ranges, editable installs, addresses, C(-r), C(-c) and other options of pip are refused, each with its line.
    type: str
  requirements_content:
    description: The same as O(requirements), as text.
    type: str
  reinstall:
    description:
      - V(drifted) installs what is missing, has another version or origin, or has missing or changed files.
      - V(always) installs all pins in every run.
    type: str
    choices: [drifted, always]
    default: drifted
  pip_check:
    description:
      - V(new) refuses a change that creates a conflict which was not there before.
      - V(strict) refuses any conflict, also when there is nothing to change.
      - V(ignore) does not run C(pip check).
    type: str
    choices: [strict, new, ignore]
    default: new
  smoke_test:
    description:
      - A command as a list, run as O(run_as) after a change and after C(pip check). When it does not end with 0 within
        30 minutes, the versions from before are installed again.
      - C({python}) stands for the interpreter of the virtual environment.
    type: list
    elements: str
  index_url:
    description:
      - The address of the index. Without it, the configuration of pip on the managed node decides.
      - It reaches pip in the process environment, never among its arguments, and is not shown.
    type: str
  extra_index_urls:
    description: Addresses of further indexes. They are treated like O(index_url).
    type: list
    elements: str
  find_links:
    description: Folders (absolute paths) or pages with distribution archives. Credentials are refused here.
    type: list
    elements: str
  no_index:
    description: Whether only O(find_links) is searched, and no index.
    type: bool
    default: false
  require_hashes:
    description: Whether each pin must have a hash. One pin with a hash demands hashes of all, as with pip.
    type: bool
    default: false
  state:
    description: V(present) is the only state of this version.
    type: str
    choices: [present]
    default: present
requirements:
  - Python 3.9 or newer
  - the Python module venv on the managed node, to make a virtual environment (Debian package C(python3-venv))
  - pip 20.3 or newer in a virtual environment that exists
attributes:
  check_mode:
    description: Can run in check mode and return changed status prediction without modifying the target.
    support: full
  diff_mode:
    description: Returns details on what has changed, or would change, in diff mode.
    support: full
  idempotent:
    description: A second run with the same pins changes nothing, unless O(reinstall=always).
    support: full
  platform:
    description: Target platforms.
    platforms: posix
    support: full
notes:
  - Before the first change of a run, C(stability-generation.json) in the virtual environment gets a new random value, by
    which M(stability.baseline.systemd_units) knows which services to restart, also when the run was killed in between.
  - In check mode a user, an interpreter or a file of O(requirements) that does not exist yet is a warning, since an earlier
    step of the same play may make it.
seealso:
  - module: stability.baseline.systemd_units
  - module: ansible.builtin.pip
"""

EXAMPLES = r"""
- name: Exactly these versions, and nothing else touched
  stability.baseline.pip_pinned:
    virtualenv: /opt/api/venv
    python: /usr/bin/python3.11
    pins:
      - flask==3.0.3
      - werkzeug==3.0.4
      - jinja2==3.1.4
      - markupsafe==2.1.5
      - itsdangerous==2.2.0
      - click==8.1.7
      - blinker==1.8.2

- name: A lock file with hashes, from a folder of wheels, tested before it is accepted
  stability.baseline.pip_pinned:
    virtualenv: /opt/api/venv
    run_as: api
    requirements: /opt/api/lock.txt
    require_hashes: true
    find_links: [/opt/wheelhouse]
    no_index: true
    smoke_test: ["{python}", -c, import app]

- name: A lock file of the controller, from a private index
  stability.baseline.pip_pinned:
    virtualenv: /opt/api/venv
    requirements_content: "{{ lookup('ansible.builtin.file', 'lock.txt') }}"
    index_url: "https://{{ index_user }}:{{ index_password }}@packages.example.org/simple"
"""

RETURN = r"""
virtualenv:
  description: The folder of the virtual environment.
  type: str
  returned: always
  sample: /opt/api/venv
reinstalled:
  description:
    - What was installed, or in check mode would be, sorted by name.
    - When the module fails it is what was tried, and the message says what the virtual environment holds.
  type: list
  elements: dict
  returned: always
  contains:
    name:
      description: The normalised name of the distribution.
      type: str
    before:
      description: The version before, V(null) when it was not installed.
      type: str
    after:
      description: The pinned version.
      type: str
    reason:
      description:
        - The first of V(missing), V(version), V(wrong origin) (installed from an address or a file), V(files missing),
          V(files changed), V(interrupted) (a killed run was installing it) and V(requested always) that holds.
      type: str
    files:
      description: The first ten files that are missing or changed, as C(RECORD) names them.
      type: list
      elements: str
  sample:
    - name: flask
      before: 2.3.3
      after: 3.0.3
      reason: version
      files: []
created:
  description: Whether the virtual environment was made or completed.
  type: bool
  returned: always
leftovers:
  description: Names of what a killed pip had left, which was removed.
  type: list
  elements: str
  returned: always
  sample: [~lask]
finished:
  description: Whether this run finished the change of one that was interrupted.
  type: bool
  returned: always
conflicts:
  description: The lines of C(pip check) before and after, each V(null) when it was not run.
  type: dict
  returned: always
  contains:
    before:
      description: Conflicts before the change.
      type: list
      elements: str
    after:
      description: Conflicts after the change.
      type: list
      elements: str
smoke_tested:
  description: Whether the smoke test was run and ended with 0.
  type: bool
  returned: always
commands:
  description: The commands that were run inside the virtual environment, without credentials.
  type: list
  elements: str
  returned: always
  sample:
    - >-
      /opt/api/venv/bin/python -I -m pip install --force-reinstall --no-deps --no-input --disable-pip-version-check
      -r /tmp/stability-pip-0123456789abcdef-x/requirements.txt
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.stability.baseline.plugins.module_utils.commands import EnvironmentFailure
from ansible_collections.stability.baseline.plugins.module_utils.environment_change import carry_out
from ansible_collections.stability.baseline.plugins.module_utils.environment_lock import locked
from ansible_collections.stability.baseline.plugins.module_utils.environment_reading import examine
from ansible_collections.stability.baseline.plugins.module_utils.environments import parse_environment
from ansible_collections.stability.baseline.plugins.module_utils.problems import InvalidInput


def argument_spec():
    """Return the options as AnsibleModule wants them."""
    texts = {"type": "list", "elements": "str"}
    return {
        "virtualenv": {"type": "str", "required": True},
        "python": {"type": "str"},
        "run_as": {"type": "str"},
        "pins": texts,
        "requirements": {"type": "str"},
        "requirements_content": {"type": "str"},
        "reinstall": {"type": "str", "choices": ["drifted", "always"], "default": "drifted"},
        "pip_check": {"type": "str", "choices": ["strict", "new", "ignore"], "default": "new"},
        "smoke_test": texts,
        "index_url": {"type": "str", "no_log": True},
        "extra_index_urls": {**texts, "no_log": True},
        "find_links": texts,
        "no_index": {"type": "bool", "default": False},
        "require_hashes": {"type": "bool", "default": False},
        "state": {"type": "str", "choices": ["present"], "default": "present"},
    }


def apply(environment, module, lock=None):
    """Plan, act unless in check mode, and return the module's result."""
    examined = examine(environment, module.check_mode)
    outcome = carry_out(examined, module.check_mode, lock)
    for warning in examined.pending + outcome.warnings:
        module.warn(warning)
    planned = examined.plan
    result = {
        "changed": outcome.changed or bool(examined.pending),
        "virtualenv": environment.virtualenv,
        "reinstalled": [step.result() for step in planned.steps],
        "created": planned.create,
        "leftovers": list(planned.leftovers),
        "finished": planned.finish,
        "conflicts": {"before": outcome.conflicts_before, "after": outcome.conflicts_after},
        "smoke_tested": outcome.smoke_tested,
        "commands": outcome.commands,
    }
    if module._diff:
        result["diff"] = planned.diff(environment.virtualenv)
    if outcome.failure is not None:
        module.fail_json(msg=outcome.failure, **result)
    return result


def main():
    """Run the module."""
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    given = {name: value for name, value in module.params.items() if value is not None}
    problems = []
    try:
        environment = parse_environment(given, "", problems)
        if environment is None:
            raise InvalidInput(problems)
        if module.check_mode:
            result = apply(environment, module)
        else:
            with locked(environment.virtualenv) as lock:
                result = apply(environment, module, lock)
    except (InvalidInput, EnvironmentFailure) as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        place = error.filename or given["virtualenv"]
        module.fail_json(msg=f"{place}: {error.strerror}. A change that was begun is finished by the next run.")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
