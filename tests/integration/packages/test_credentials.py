# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The credentials of an index are nowhere: not in what the play prints, the processes, the journal, or a file of the host."""

from __future__ import annotations

import pytest
from pip_pinned_environments import put_wheels, wheel

from units import wait_for

APPLY = "stability.baseline.apply"
VENV = "/opt/secretive/venv"
INDEX = "/opt/secretive-index"
SECRET = "s3cret-of-the-index"
CONTROL = "c0ntrol-of-the-search"
#: Notes the arguments of all processes, again and again.
WATCH = "while :; do cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' '; sleep 0.02; done > /run/seen-arguments"
#: Where what a run says, keeps or leaves could be.
FOLDERS = "/etc /opt /root /run /tmp /var/lib /var/log /var/tmp"


@pytest.fixture
def index(host, tmp_path):
    """An index on the host itself, which takes any credentials."""
    wheel(tmp_path, "one", "1")
    put_wheels(host, tmp_path, f"{INDEX}/simple/one")
    serve = f"python3 -m http.server --bind 127.0.0.1 --directory {INDEX} 8471"
    units = {"secretive-index": serve, "secretive-watch": WATCH}
    for unit, command in units.items():
        host.check(["systemd-run", "--quiet", f"--unit={unit}", "sh", "-c", command])
    wait_for(lambda: host.run("echo > /dev/tcp/127.0.0.1/8471 || bash -c 'echo > /dev/tcp/127.0.0.1/8471'").code == 0)
    yield f"http://me:{SECRET}@127.0.0.1:8471/simple/"
    host.run(["systemctl", "stop", *units])


def found_on(host, text):
    """Return where a text is: in the journal, or in files."""
    host.check(["journalctl", "--sync"])
    # The pattern finds the text, but not itself in the list of processes.
    pattern = f"[{text[0]}]{text[1:]}"
    journal = host.run(f"journalctl --output=export --all | grep -c -a '{pattern}'").output.strip()
    files = host.run(
        f"grep -r -l -a -s --exclude-dir=journal --exclude-dir=systemd '{pattern}' {FOLDERS}"
    ).output.split()
    return [*(["the journal"] if journal != "0" else []), *sorted(files)]


def test_credentials_of_an_index_are_nowhere(host, index):
    host.check(f"systemd-cat echo {CONTROL}; sleep 0.3; sh -c 'sleep 1; true' {CONTROL}; echo {CONTROL} > /opt/control")
    assert found_on(host, CONTROL) == ["the journal", "/opt/control", "/run/seen-arguments"]
    for pin, fine in (("one==1", True), ("one==2", False)):
        environment = {"virtualenv": VENV, "pins": [pin], "index_url": index, "extra_index_urls": [index]}
        variables = {"stability_environments": [environment]}
        run = host.playbook(APPLY, variables=variables, arguments=["-vvvv"], diff=True)
        assert (run.code == 0) is fine, run.output
        assert SECRET not in run.output + str(run.tasks)
    assert found_on(host, SECRET) == []
