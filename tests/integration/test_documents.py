# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the documents show is run as it stands: the README, the guides, and the EXAMPLES of the modules."""

from __future__ import annotations

import ast
import hashlib
import re
from pathlib import Path

import pytest
import yaml

import testhosts
from plain_python import plain_python
from releases import RELEASES
from wheelhouse import wheelhouse

ROOT = Path(__file__).parents[2]
WHEELS = Path(__file__).with_name("wheels.txt")
#: The host has no way to an index: its pip finds the wheels that the test brought.
PIP_CONF = f"[global]\nno-index = true\nfind-links = {testhosts.WHEELHOUSE}\n"
#: What the guide's drop-ins are over: units that a package would bring.
VENDOR_UNITS = ("redis-exporter.service", "prometheus-node-exporter.service")
LOOKUP = "{{ lookup('ansible.builtin.file', 'lock.txt') }}"


@pytest.fixture(scope="module")
def wheels():
    return wheelhouse(WHEELS, RELEASES[testhosts.DEFAULT_RELEASE])


@pytest.fixture(scope="module")
def host(make_host, wheels):
    host = make_host("documents", ssh=True, wheelhouse=str(wheels))
    host.put("/etc/pip.conf", PIP_CONF)
    host.put("/opt/api/lock.txt", hashed_lock(wheels))
    host.check(["useradd", "--system", "api"])
    plain_python(host, "/opt/python")
    for unit in VENDOR_UNITS:
        host.put(f"/usr/lib/systemd/system/{unit}", "[Service]\nExecStart=/bin/sleep 1000000\n")
    return host


def hashed_lock(wheels: Path) -> str:
    """Return a lock file of flask and what it needs, with hashes."""
    lines = []
    for wheel in sorted(wheels.iterdir()):
        name, version = wheel.name.split("-")[:2]
        if name.lower() not in ("gunicorn", "packaging"):
            lines.append(f"{name}=={version} --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n")
    return "".join(lines)


def blocks(document: str, language: str = "yaml") -> list[str]:
    """Return the fenced blocks of a document, dedented."""
    text = (ROOT / document).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def block_with(document: str, word: str) -> str:
    found = [block for block in blocks(document) if word in block]
    assert len(found) == 1, f"{document}: {len(found)} blocks with {word}"
    return found[0]


def statuses(run) -> set[str]:
    return {task["status"] for task in run.tasks}


def predicted_and_run(host, playbook, **options):
    """Run in check mode, then for real, then again; the second run must change nothing."""
    check = host.playbook(playbook, check=True, diff=True, **options)
    assert check.code == 0, check.output
    first = host.playbook(playbook, **options)
    assert first.code == 0, first.output
    again = host.playbook(playbook, **options)
    assert again.code == 0, again.output
    assert [task["task"] for task in again.tasks if task["result"].get("changed")] == []
    return first


def test_the_readme_deploys_a_service_that_comes_back(host):
    variables = yaml.safe_load(block_with("README.md", "stability_environments:"))["all"]["vars"]
    predicted_and_run(host, "stability.baseline.apply", variables=variables)
    before = host.check(["systemctl", "show", "-p", "MainPID", "--value", "hello"])
    host.check("systemctl kill -s KILL hello; sleep 7; systemctl is-active hello")
    assert host.check(["systemctl", "show", "-p", "MainPID", "--value", "hello"]) != before


@pytest.mark.parametrize("word", ["roles:", "import_playbook:"])
def test_the_readmes_other_ways_of_use(host, word):
    variables = yaml.safe_load(block_with("README.md", "stability_environments:"))["all"]["vars"]
    play = block_with("README.md", word).replace("hosts: app", "hosts: all")
    run = host.playbook(play, variables=variables)
    assert run.code == 0, run.output


def plays_of(document: str) -> list[tuple[str, dict]]:
    """Return what a guide shows as (playbook, variables): its lists, and plays and tasks with the first list."""
    shown: list[tuple[str, dict]] = []
    for block in blocks(document):
        content = yaml.safe_load(block)
        if isinstance(content, dict):
            shown.append(("stability.baseline.apply", content))
        elif "hosts" in content[0] or "ansible.builtin.import_playbook" in content[0]:
            shown.append((block.replace("hosts: app", "hosts: all"), shown[0][1]))
        else:
            play = {"hosts": "all", "gather_facts": False, "tasks": content}
            # The controller of the tests has no such file; the host holds what it would say.
            shown.append((yaml.safe_dump([play]).replace("lookup(''ansible.builtin.file'', ''lock.txt'')", "lock"), {}))
    return shown


GUIDES = ("services", "packages", "journald", "leakwatch")


@pytest.mark.drawn(4)
@pytest.mark.parametrize(("playbook", "variables"), [shown for name in GUIDES for shown in plays_of(f"docs/{name}.md")])
def test_what_the_guides_show(host, playbook, variables):
    predicted_and_run(host, playbook, variables={**variables, "lock": host.read("/opt/api/lock.txt")})


def examples(module: str) -> list[dict]:
    """Return the tasks of a module's EXAMPLES."""
    tree = ast.parse((ROOT / "plugins" / "modules" / f"{module}.py").read_text(encoding="utf-8"))
    texts = [
        node.value.value for node in tree.body if isinstance(node, ast.Assign) and node.targets[0].id == "EXAMPLES"
    ]
    return yaml.safe_load(texts[0])


TASKS = [
    (module, task)
    for module in ("systemd_units", "pip_pinned", "journald", "preflight", "leakwatch")
    for task in examples(module)
]


@pytest.mark.drawn(3)
@pytest.mark.parametrize(
    ("module", "task"), TASKS, ids=lambda value: value if isinstance(value, str) else value["name"]
)
def test_the_examples_of_a_module(host, module, task):
    # Each begins where no other one has left something, so that those that are drawn need no others.
    host.check("rm -rf /opt/api/venv /opt/api/.venv.stability")
    options = task[f"stability.baseline.{module}"] or {}
    if options.get("requirements_content") == LOOKUP:
        options["requirements_content"] = host.read("/opt/api/lock.txt")
    play = yaml.safe_dump([{"hosts": "all", "gather_facts": False, "tasks": [task]}])
    variables = {"stability_services": [], "stability_environments": [], "index_user": "u", "index_password": "p"}
    if options.get("state") == "rolled_back":
        change = {"virtualenv": options["virtualenv"], "pins": ["click==8.1.7"], "reinstall": "always"}
        change.update(find_links=["/opt/wheelhouse"], no_index=True, installer="pip")
        for _before_and_after in range(2):
            assert host.module("pip_pinned", change)["changed"]
    if "index_url" in options:
        # Nobody answers there: check mode asks no index, and shows the plan.
        run = host.playbook(play, check=True, variables=variables)
        assert run.code == 0, run.output
        return
    predicted_and_run(host, play, variables=variables)
