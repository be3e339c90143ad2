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
    C(--force-reinstall --no-deps), or of uv with the same result. Distributions that nothing pins are never touched.
  - What is installed is read without pip, from the metadata of the distributions; every file of a pinned distribution is
    compared with its C(RECORD). Digests of files are remembered, so that a file which did not change is not read again.
  - Files that no distribution brought and that Python would import from a pinned distribution's import package are removed.
  - The change is a transaction. It is made in a copy of the environment beside it (hard links), checked there (integrity of
    what was installed, O(locked), C(pip check), O(imports), O(references), O(smoke_test)), and switched in by one rename that exchanges
    the two folders. A copy that fails is removed. Killed at any moment, what is at the path is the old environment or the new one, whole.
  - Makes the virtual environment when it is missing, and makes one anew whose Python is gone or was upgraded, from the list of
    what it held. What a killed pip left, or a version of this module that changed in place, is put right.
  - The environments from before are kept. O(state=rolled_back) exchanges the environment with the one before the last change;
    pins that a kept one fulfils are fulfilled by switching to it, without an installer.
author:
  - stability.baseline contributors (@stability)
options:
  virtualenv:
    description:
      - The folder of the virtual environment, an absolute path without blanks. A link is followed; scripts keep the path that
        is given here.
      - A mount point is refused, and so is a folder below one that others than root and the user may write to.
      - It is made with the module C(venv) of O(python) when nothing, or an empty folder, is there.
      - Either this or O(interpreter) is needed.
    type: str
  interpreter:
    description:
      - The absolute path of a Python outside of any virtual environment, whose own distributions are changed. One that the system
        manages (PEP 668) is refused.
      - The change is rehearsed in a virtual environment with copies of the same distributions, with all checks, and then made in
        place with pip. It is not a transaction, nothing is kept to go back to, and a warning says so.
      - M(stability.baseline.systemd_units) does not know of it; restart what uses this Python.
    type: str
  python:
    description:
      - The interpreter that makes a missing virtual environment, an absolute path. Default is C(/usr/bin/python3).
      - It has no effect on a virtual environment that exists, unless that has to be made anew; then the interpreter that made it
        is the default.
    type: str
  run_as:
    description:
      - The user, or the numeric id of one, who executes and writes everything inside the virtual environment.
      - Default is the owner of the folder; a new virtual environment belongs to the user of the connection, with
        C(become) to root.
    type: str
  gates_as:
    description:
      - The user, or C(user:group), who imports, looks up references and runs O(smoke_test) before the switch where that would be
        root unasked. The role C(packages) gives that of the first service that runs in the virtual environment.
    type: str
  reinstall:
    description:
      - V(drifted) installs what is missing, has another version or origin, or has missing, changed or stray files.
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
  imports:
    description:
      - Before the switch, every import package of a changed distribution, and of the installed ones that depend on it, is
        imported in the copy as O(run_as) or O(gates_as), in processes of their own, each for at most a minute.
      - V(new) refuses a change after which something cannot be imported that could be before, and warns of what was not
        there before and cannot.
      - V(strict) refuses every import that fails.
      - V(ignore) imports nothing.
    type: str
    choices: [strict, new, ignore]
    default: new
  references:
    description:
      - Before the switch, every C(module.attribute) and C(from module import name) that O(sources), and the installed
        distributions that require a changed one, use of the changed distributions is looked up in the environment as it was and
        in the copy, by their own interpreters and as O(run_as) or O(gates_as).
      - V(fail) refuses a change after which something is gone that was there before; V(warn) only tells of it.
      - Calls of functions that became a generator or coroutine function, no longer take what is passed, or changed their
        annotated return type are warned about with both signatures.
      - V(ignore) looks nothing up.
    type: str
    choices: [fail, warn, ignore]
    default: fail
  sources:
    description:
      - Folders and files (absolute paths) with the source of the application. In folders, virtual environments, hidden folders
        and C(node_modules) are left out.
      - What cannot be read or parsed is a warning.
    type: list
    elements: str
  smoke_test:
    description:
      - A command as a list, run as O(run_as) or O(gates_as) after the other checks and before the switch. When it does not end with 0 within
        30 minutes, nothing is changed.
      - C({python}) stands for the interpreter of the staged copy. C(VIRTUAL_ENV) and C(PATH) are those of the copy, too; an
        absolute path into the virtual environment leads to the old one.
    type: list
    elements: str
  stop_units:
    description:
      - Services and timers that import or start programs of the virtual environment later on. Those that run are stopped before
        the switch, in the reverse order, and started after it, in this order. Only root can do that.
      - A running service of C(Type=oneshot) is waited for for a minute, while its timer is stopped; then nothing is changed.
      - What a killed run has left stopped is started by the next one.
      - In C(stability_environments), C(stop_before_switch) says it, and the role C(packages) finds the units.
    type: list
    elements: str
  keep_generations:
    description:
      - How many environments from before are kept beside the virtual environment, in C(.NAME.stability). Older ones are removed
        after a change. With V(0) there is nothing to go back to.
      - Files that did not change are shared, so that one costs little more than what was installed since.
    type: int
    default: 2
  state:
    description:
      - V(present) makes the virtual environment hold the pins.
      - V(rolled_back) exchanges it with the one before the last change, without an installer and without checks; a second time
        nothing happens. The pins are not looked at. It fails when none is kept.
    type: str
    choices: [present, rolled_back]
    default: present
requirements:
  - Python 3.9 or newer
  - the Python module venv on the managed node, to make a virtual environment (Debian package C(python3-venv))
  - pip 20.3 or newer in a virtual environment that exists, or uv 0.5.0 or newer
extends_documentation_fragment:
  - stability.baseline.applied
  - stability.baseline.pinned
attributes:
  idempotent:
    description: A second run with the same pins changes nothing, unless O(reinstall=always).
    support: full
notes:
  - C(stability-generation.json) in the virtual environment gets a new random value with each switch, by which
    M(stability.baseline.systemd_units) knows which services to restart, also when the run was killed right after it.
  - Where the file system cannot exchange two folders, they are renamed one after the other, and a warning says so. A run killed
    in between leaves nothing at the path; the next one puts the old environment back.
  - One run at a time changes a virtual environment. Another one, and a pip or uv that somebody else runs in it, is waited for
    for a minute; then the module fails.
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
    smoke_test: ["{python}", -c, import flask]

- name: The environment as it was before the last change
  stability.baseline.pip_pinned:
    virtualenv: /opt/api/venv
    state: rolled_back

- name: A lock file of the controller, from a private index
  stability.baseline.pip_pinned:
    virtualenv: /opt/api/venv
    requirements_content: "{{ lookup('ansible.builtin.file', 'lock.txt') }}"
    index_url: "https://{{ index_user }}:{{ index_password }}@packages.example.org/simple"
"""

RETURN = r"""
virtualenv:
  description: The folder of the virtual environment, V(null) with O(interpreter).
  type: str
  returned: always
  sample: /opt/api/venv
reinstalled:
  description:
    - What was installed, or in check mode would be, sorted by name.
    - When the module fails it is what was tried.
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
      description: The version after, V(null) when a roll back takes it away.
      type: str
    reason:
      description:
        - The first of V(missing), V(version), V(wrong origin) (installed from another address than the pin's, or by name where
          the pin is a direct reference), V(files missing), V(files changed), V(stray files), V(interrupted) (a killed run was
          installing it) and V(requested always) that holds; V(interpreter changed) when the virtual environment is made anew,
          V(rolled back) with O(state=rolled_back).
      type: str
    files:
      description: The first ten files that are missing, changed, or stray and removed, as C(RECORD) names them.
      type: list
      elements: str
  sample:
    - name: flask
      before: 2.3.3
      after: 3.0.3
      reason: version
      files: []
drift:
  description: Names of installed distributions that were changed, or in check mode would be.
  type: list
  elements: str
  returned: always
  sample: [flask]
unlocked:
  description:
    - Names of installed distributions that nothing pins; with O(locked=true) also of what pinned ones require and nothing pins.
    - pip, setuptools and wheel are not among them.
  type: list
  elements: str
  returned: always
  sample: [urllib3]
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
  description: Whether this run put right what an interrupted one had left at the path.
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
failed_imports:
  description: What cannot be imported and counts against the change, sorted by module. The change was refused then.
  type: list
  elements: dict
  returned: always
  contains:
    module:
      description: The full name of the import package or module.
      type: str
    distribution:
      description: The normalised name of the distribution that brings it.
      type: str
    error:
      description: The last line of the error, or how the import ended its process.
      type: str
  sample:
    - module: flask
      distribution: flask
      error: "ImportError: cannot import name 'url_quote' from 'werkzeug.urls'"
missing_references:
  description:
    - What is used and was there before and is not any more. The change was refused then, unless O(references=warn).
  type: list
  elements: dict
  returned: always
  contains:
    source:
      description: The source file.
      type: str
    line:
      description: The line in it.
      type: int
    name:
      description: The full name of what is gone.
      type: str
    distribution:
      description: The normalised name of the changed distribution that had it.
      type: str
  sample:
    - source: /opt/api/src/app.py
      line: 12
      name: numpy.bool
      distribution: numpy
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
      /opt/api/.venv.stability/staged/bin/python -I -B -m pip install --force-reinstall --no-deps --no-input
      --disable-pip-version-check --no-cache-dir --no-compile -r /tmp/stability-pip-0123456789abcdef-x/requirements.txt
restored:
  description: The id of the kept environment that was switched to, without an installer; V(null) when none was.
  type: str
  returned: always
stopped_units:
  description: Units that were stopped before the switch and, in check mode, those that would be.
  type: list
  elements: str
  returned: always
  sample: [api.service]
started_units:
  description:
    - The invocation (C(InvocationID=), empty in check mode) of each unit that was started on this environment, those included that a
      killed run had left stopped. With it, M(stability.baseline.systemd_units) does not restart them once more.
  type: dict
  returned: always
  sample: {api.service: 0123456789abcdef0123456789abcdef}
downtime:
  description: Seconds from the first stop of a service to the last start, V(null) when none was stopped.
  type: float
  returned: always
  sample: 0.31
generations:
  description: The environments from before that are kept, the newest first.
  type: list
  elements: dict
  returned: always
  contains:
    id:
      description: What C(stability-generation.json) in it says, or a name of its own where that says nothing.
      type: str
    changed_at:
      description: When it became the environment, V(null) when that is not known.
      type: str
    bytes:
      description: The size of the files that it alone holds, after the last change.
      type: int
  sample:
    - id: 0123456789abcdef0123456789abcdef
      changed_at: "2026-11-24T10:00:00+00:00"
      bytes: 1048576
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.stability.baseline.plugins.module_utils.commands import EnvironmentFailure
from ansible_collections.stability.baseline.plugins.module_utils.environment_generations import plan_roll_back
from ansible_collections.stability.baseline.plugins.module_utils.environment_lock import locked
from ansible_collections.stability.baseline.plugins.module_utils.environment_pause import check_units
from ansible_collections.stability.baseline.plugins.module_utils.environment_preparation import prepare
from ansible_collections.stability.baseline.plugins.module_utils.environment_reading import examine
from ansible_collections.stability.baseline.plugins.module_utils.environment_runs import carry_out, roll_back
from ansible_collections.stability.baseline.plugins.module_utils.environments import parse_environment
from ansible_collections.stability.baseline.plugins.module_utils.masking import plain
from ansible_collections.stability.baseline.plugins.module_utils.problems import InvalidInput


def argument_spec():
    """Return the options as AnsibleModule wants them."""
    texts = {"type": "list", "elements": "str"}
    return {
        "virtualenv": {"type": "str"},
        "interpreter": {"type": "str"},
        "python": {"type": "str"},
        "run_as": {"type": "str"},
        "gates_as": {"type": "str"},
        "pins": texts,
        "requirements": {"type": "str"},
        "requirements_content": {"type": "str"},
        "reinstall": {"type": "str", "choices": ["drifted", "always"], "default": "drifted"},
        "pip_check": {"type": "str", "choices": ["strict", "new", "ignore"], "default": "new"},
        "locked": {"type": "bool", "default": False},
        "imports": {"type": "str", "choices": ["strict", "new", "ignore"], "default": "new"},
        "references": {"type": "str", "choices": ["fail", "warn", "ignore"], "default": "fail"},
        "sources": texts,
        "installer": {"type": "str", "choices": ["auto", "pip", "uv"], "default": "auto"},
        "smoke_test": texts,
        "stop_units": texts,
        "index_url": {"type": "str", "no_log": True},
        "extra_index_urls": {**texts, "no_log": True},
        "find_links": texts,
        "no_index": {"type": "bool", "default": False},
        "require_hashes": {"type": "bool", "default": False},
        "keep_generations": {"type": "int", "default": 2},
        "state": {"type": "str", "choices": ["present", "rolled_back"], "default": "present"},
    }


def carried_out(environment, units, check_mode, lock):
    """Plan and act unless in check mode; return the plan, what happened, and what could not be looked at."""
    if environment.interpreter:
        # Imported here: hardly any run needs it, and all that is imported has to be compiled.
        from ansible_collections.stability.baseline.plugins.module_utils import environment_in_place as in_place

        examined = in_place.examine_in_place(environment, check_mode)
        return examined.plan, in_place.change_in_place(examined, check_mode, lock), examined.pending
    prepared = prepare(environment, units, check_mode)
    if prepared.environment.state == "rolled_back":
        planned, pending = plan_roll_back(prepared.place, prepared.user), []
        outcome = roll_back(prepared, planned, check_mode)
    else:
        examined = examine(prepared.environment, check_mode)
        planned, pending = examined.plan, examined.pending
        outcome = carry_out(prepared, examined, check_mode, lock)
    prepared.pause.tell(outcome)
    return planned, outcome, pending


def apply(environment, module, lock=None):
    """Plan, act unless in check mode, and return the module's result."""
    planned, outcome, pending = carried_out(environment, module.params["stop_units"] or (), module.check_mode, lock)
    for warning in pending + outcome.warnings:
        module.warn(plain(warning))
    result = {
        "changed": outcome.changed or bool(pending),
        "virtualenv": environment.virtualenv or None,
        "reinstalled": [step.result() for step in planned.steps],
        "created": planned.create,
        "leftovers": list(planned.leftovers),
        "finished": planned.finish or outcome.repaired,
        "drift": planned.drift,
        "unlocked": outcome.unlocked,
        "conflicts": {"before": outcome.conflicts_before, "after": outcome.conflicts_after},
        "failed_imports": outcome.failed_imports,
        "missing_references": outcome.missing_references,
        "smoke_tested": outcome.smoke_tested,
        "commands": outcome.commands,
        "restored": outcome.restored,
        "stopped_units": outcome.stopped,
        "started_units": outcome.started,
        "downtime": outcome.downtime,
        "generations": outcome.generations,
    }
    if module._diff:
        result["diff"] = planned.diff(environment.subject)
    if outcome.failure is not None:
        module.fail_json(msg=plain(outcome.failure), **plain(result))
    return plain(result)


def main():
    """Run the module."""
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    given = {name: value for name, value in module.params.items() if value is not None}
    problems = []
    try:
        check_units(given.pop("stop_units", ()), "stop_units", problems)
        environment = parse_environment(given, "", problems)
        if problems:
            raise InvalidInput(problems)
        if module.check_mode:
            result = apply(environment, module)
        else:
            with locked(environment.subject) as lock:
                result = apply(environment, module, lock)
    except (InvalidInput, EnvironmentFailure) as error:
        module.fail_json(msg=plain(str(error)))
    except OSError as error:
        place = error.filename or environment.subject
        module.fail_json(msg=f"{place}: {error.strerror}. The next run brings what was begun into order.")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
