# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role packages on this machine, with a list as an inventory has it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from pip_pinned_environments import COLLECTIONS, generation, tree, wheel

PLAY = [
    {
        "hosts": "localhost",
        "connection": "local",
        "gather_facts": False,
        "roles": ["stability.baseline.packages"],
        "tasks": [
            {
                "name": "Show what the role service is told",
                "ansible.builtin.debug": {"msg": "changed={{ __packages_changed | to_json }}"},
            }
        ],
    }
]


def play(folder, environments, *options):
    """Apply the role and return everything that was printed."""
    (folder / "play.json").write_text(json.dumps(PLAY))
    variables = {
        "stability_environments": environments,
        "stability_become": False,
        "ansible_python_interpreter": sys.executable,
    }
    (folder / "variables.json").write_text(json.dumps(variables))
    argv = [Path(sys.executable).parent / "ansible-playbook", "-i", "localhost,", "-e", f"@{folder}/variables.json"]
    known = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS), "ANSIBLE_LOCALHOST_WARNING": "false"}
    done = subprocess.run(
        [*argv, *options, folder / "play.json"], env=known, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def told(printed):
    """Return the paths that the role service was told of."""
    return json.loads(printed.split("changed=")[1].split('"\n')[0].replace('\\"', '"'))


def test_each_environment_is_one_call_and_its_credentials_are_not_shown(bare_env, index, tmp_path):
    wheels = tmp_path / "wheels"
    wheel(wheels, "one", "1")
    second = shutil.copytree(bare_env, bare_env.parent / "second", symlinks=True)
    environments = [
        {
            "virtualenv": f"{bare_env}/",
            "pins": ["private==1"],
            "index_url": index.url.replace("://", "://me:right-s3cret@"),
        },
        {
            "virtualenv": str(second),
            "pins": ["one==1"],
            "find_links": str(wheels),
            "no_index": "true",
            "stop_before_switch": False,
        },
    ]
    before = tree(bare_env)
    predicted = play(tmp_path, environments, "--check", "--diff")
    assert told(predicted) == [str(bare_env), str(second)]
    assert "+private==1  # missing" in predicted and "+one==1  # missing" in predicted
    assert tree(bare_env) == before
    printed = play(tmp_path, environments, "-vvv", "--diff")
    assert told(printed) == [str(bare_env), str(second)]
    assert printed.count("changed: [localhost] => (item=") == 2
    assert "right-s3cret" not in predicted + printed
    assert f"(item={second})" in printed
    assert generation(bare_env) != generation(second)
    again = play(tmp_path, environments)
    assert told(again) == [] and "changed=0" in again
