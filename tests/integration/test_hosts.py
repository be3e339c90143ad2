# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every other test takes for granted: a test host is a Debian under a real systemd."""

from __future__ import annotations

import time
import urllib.error
import urllib.request

import pytest

from cgroups import MEMORY_LIMITS

UNITS = "/etc/systemd/system"
CREDENTIAL = "two words\nand a second line"


def wait_for(condition, seconds=15.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)


def properties(host, unit, *names):
    printed = host.check(["systemctl", "show", "--property", ",".join(names), unit])
    found = dict(line.split("=", 1) for line in printed.splitlines())
    return [found[name] for name in names]


@pytest.fixture(scope="module")
def own_host(make_host, release):
    """Return a host that no other test file sees, as it is rebooted; with a loopback network only."""
    return make_host(f"hosts-{release}", release=release)


def test_it_boots_to_running_and_reboots(own_host):
    assert own_host.check(["systemctl", "is-system-running"]) == "running\n"
    own_host.check(["systemd-cat", "--identifier=canary", "echo", "before the reboot"])
    own_host.check(["journalctl", "--sync"])
    own_host.check("touch /run/volatile /opt/kept")
    boot = "cat /proc/1/stat | cut -d' ' -f22"
    before = own_host.check(boot)
    own_host.reboot()
    assert own_host.check(boot) != before
    assert own_host.check(["systemctl", "is-system-running"]) == "running\n"
    assert own_host.check(["journalctl", "--identifier=canary", "--output=cat"]) == "before the reboot\n"
    assert own_host.run("test -e /opt/kept && ! test -e /run/volatile").code == 0


def test_it_has_a_loopback_network_only(own_host):
    assert own_host.facts["address"] is None
    assert own_host.check("ls /sys/class/net").split() == ["lo"]


def test_a_service_reads_its_credential(own_host):
    own_host.put("/etc/secret", CREDENTIAL, 0o600)
    read = [
        "systemd-run",
        "--quiet",
        "--wait",
        "--pipe",
        "--property=User=nobody",
        "--property=LoadCredential=db:/etc/secret",
    ]
    assert own_host.check([*read, "sh", "-c", 'cat "$CREDENTIALS_DIRECTORY/db"']) == CREDENTIAL
    assert own_host.run([*read, "cat", "/etc/secret"]).code != 0


@pytest.mark.needs(MEMORY_LIMITS)
@pytest.mark.parametrize(("megabytes", "expected"), [(20, ["success", "0"]), (200, ["oom-kill", "9"])])
def test_a_memory_cap_is_enforced(own_host, megabytes, expected):
    unit = f"allocate-{megabytes}.service"
    allocate = ["/usr/bin/python3", "-c", f"bytearray({megabytes} << 20)"]
    run = ["systemd-run", "--quiet", "--remain-after-exit", f"--unit={unit}"]
    own_host.run([*run, "--property=Type=oneshot", "--property=MemoryMax=60M", *allocate])
    result, status = properties(own_host, unit, "Result", "ExecMainStatus")
    # On cgroup v1 systemd sees the kill but not its reason.
    assert [result.replace("signal", "oom-kill"), status] == expected
    own_host.run(["systemctl", "stop", unit])
    own_host.run(["systemctl", "reset-failed", unit])


def test_environments_can_be_staged_and_exchanged(own_host):
    own_host.check("mkdir /opt/old /opt/new; echo x > /opt/new/file; ln /opt/new/file /opt/new/link")
    exchange = (
        "import ctypes; libc = ctypes.CDLL(None); exit(libc.renameat2(-100, b'/opt/old', -100, b'/opt/new', 2) != 0)"
    )
    own_host.check(["python3", "-c", exchange])
    assert own_host.check("ls /opt/old /opt/new") == "/opt/new:\n\n/opt/old:\nfile\nlink\n"


def test_a_web_service_is_reached_over_the_bridge_and_by_ssh(host):
    host.put("/srv/www/hello.txt", "hello\n")
    serve = "/usr/bin/python3 -m http.server --directory /srv/www 8099"
    host.put(f"{UNITS}/www.service", f"[Service]\nType=exec\nDynamicUser=yes\nExecStart={serve}\n")
    host.check("systemctl daemon-reload && systemctl start www")
    url = f"http://{host.facts['address']}:8099/hello.txt"
    found = []

    def answers():
        try:
            with urllib.request.urlopen(url, timeout=2) as response:
                found.append(response.read())
        except urllib.error.URLError:
            return False
        return True

    wait_for(answers)
    assert found == [b"hello\n"]
    play = "- hosts: all\n  gather_facts: false\n  tasks:\n    - ansible.builtin.slurp: {src: /srv/www/hello.txt}\n"
    for user in ("root", "deploy"):
        run = host.playbook(play, user=user)
        assert run.code == 0, run.output
        assert [(task["status"], task["result"]["content"]) for task in run.tasks] == [("ok", "aGVsbG8K")]
    host.check(f"systemctl stop www && rm {UNITS}/www.service && systemctl daemon-reload")


def test_a_failed_task_is_told(host):
    run = host.playbook("- hosts: all\n  gather_facts: false\n  tasks:\n    - ansible.builtin.command: /bin/false\n")
    assert run.code == 2
    assert [(task["status"], task["result"]["rc"]) for task in run.tasks] == [("failed", 1)]
