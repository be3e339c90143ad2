# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Paths that a service's own hardening takes away from it.

Each unit that is refused really fails when it is written all the same, and each remedy that a message names really helps.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import pytest
import yaml
from ansible_collections.stability.baseline.plugins.module_utils.services import parse_services
from ansible_collections.stability.baseline.plugins.module_utils.unit_files import render

from releases import RELEASES
from units import applied, apply, properties, wait_for

USER = "pathkeys"
HOME = f"/home/{USER}"
OWN = f"/opt/{USER}"
#: Exit statuses of systemd.exec(5): the working directory, the program, the file systems; and the one of the programs below.
CHDIR, EXEC, NAMESPACE, OWN_CHECK = "200", "203", "226", "9"

PREPARE = f"""
set -e
id -u {USER} >/dev/null 2>&1 || useradd --system --no-create-home {USER}
for folder in {HOME}/app {HOME}/data {OWN}/app {OWN}/data {OWN}/run /tmp/{USER} /var/tmp/{USER} /usr/local/{USER} /etc/{USER}; do
    mkdir -p $folder
    echo content > $folder/file
    chown -R {USER} $folder
done
chmod 600 /etc/{USER}/file
mkdir -p /opt/roots /opt/secret
echo content > /opt/roots/file
cp /bin/sleep {HOME}/app/sleep
mkdir -p {HOME}/python/bin
cp /usr/bin/python3 {HOME}/python/bin/python3
[ -e {OWN}/venv ] || {HOME}/python/bin/python3 -m venv --without-pip {OWN}/venv
[ -e {OWN}/copied ] || {HOME}/python/bin/python3 -m venv --without-pip --copies {OWN}/copied
printf '#!{OWN}/venv/bin/python\\nimport time\\ntime.sleep(1e6)\\n' > {OWN}/venv/bin/tool
chmod 755 {OWN}/venv/bin/tool
ln -sfn {HOME}/app {OWN}/linked
[ -e /dev/{USER} ] || mknod -m 666 /dev/{USER} c 1 5
chown -R {USER} {OWN}
"""


def shell(script, *arguments):
    """Return a command that stays up if ``script`` succeeds."""
    return ["/bin/sh", "-c", f"({script}) || exit {OWN_CHECK}; exec sleep infinity", *arguments]


def writes(folder):
    """Return a command that writes to a folder, with a name of its own: others that run meanwhile write there, too."""
    return shell(f"echo x > {folder}/new-$$ && rm {folder}/new-$$")


@dataclass(frozen=True)
class Case:
    """Keys of a service, what the message says about which option, with which status it fails when it is forced.

    ``expected`` holds parts of the message, the first one the key; ``chosen`` says which of two remedies is taken.
    """

    keys: dict[str, Any]
    expected: tuple[str, ...]
    fails: str = ""
    chosen: slice = field(default=slice(None))


STRICT: dict[str, Any] = {"hardening": "strict"}
WRITES, READS = slice(0, 1), slice(1, 2)
REFUSED = {
    "program": Case(
        {**STRICT, "exec_start": [f"{HOME}/app/sleep", "infinity"]},
        (".exec_start[0]", f'"{HOME}/app/sleep", which ProtectHome=yes (hardening: strict) hides'),
        EXEC,
    ),
    "pre": Case(
        {**STRICT, "exec_start_pre": [[f"{HOME}/app/sleep", "0"]], "exec_start": shell("true")},
        (".exec_start_pre[0][0]", "ProtectHome=yes"),
        EXEC,
    ),
    "link": Case(
        {**STRICT, "exec_start": [f"{OWN}/linked/sleep", "infinity"]},
        (".exec_start[0]", f'"{OWN}/linked/sleep", which leads to "{HOME}/app/sleep", which ProtectHome=yes'),
        EXEC,
    ),
    "venv": Case(
        {**STRICT, "virtualenv": f"{OWN}/venv", "exec_start": [f"{OWN}/venv/bin/python", "-c", "import time; time.sleep(1e6)"]},
        (".virtualenv", f'"{OWN}/venv", which leads to "{HOME}/python/bin/python3'),
        EXEC,
    ),
    "script": Case(
        {**STRICT, "exec_start": [f"{OWN}/venv/bin/tool"]},
        (".exec_start[0]", f'leads to "{HOME}/python/bin'),
        EXEC,
    ),
    "folder": Case(
        {**STRICT, "working_directory": f"{HOME}/app", "exec_start": writes(".")},
        (".working_directory", f'"{HOME}/app", which ProtectHome=yes'),
        CHDIR,
    ),
    "folder-in-tmp": Case(
        {"working_directory": f"/tmp/{USER}", "exec_start": writes(".")},
        (".working_directory", f'"/tmp/{USER}", which PrivateTmp=yes (hardening: basic) hides'),
        CHDIR,
    ),
    "folder-in-var-tmp": Case(
        {**STRICT, "working_directory": f"/var/tmp/{USER}", "exec_start": writes(".")},
        (".working_directory", "Move it out of /var/tmp"),
        CHDIR,
    ),
    "write-home": Case(
        {**STRICT, "read_write_paths": [f"{HOME}/data"], "exec_start": writes(f"{HOME}/data")},
        (".read_write_paths[0]", "ProtectHome=yes"),
        OWN_CHECK,
    ),
    "write-tmp": Case(
        {"read_write_paths": [f"/tmp/{USER}"], "exec_start": writes(f"/tmp/{USER}")},
        (".read_write_paths[0]", "PrivateTmp=yes"),
        NAMESPACE,
    ),
    "device": Case(
        {**STRICT, "exec_start": shell('head -c 1 "${0#--device=}"', f"--device=/dev/{USER}")},
        (".exec_start[3]", f'"/dev/{USER}", which PrivateDevices=yes'),
        OWN_CHECK,
    ),
    "argument": Case(
        {**STRICT, "exec_start": shell('cat "$0"', f"{HOME}/data/file")},
        (".exec_start[3]", "ProtectHome=yes"),
        OWN_CHECK,
    ),
    "argument-written": Case(
        {**STRICT, "exec_start": shell('echo > "$0/new"', f"{HOME}/data")},
        (".exec_start[3]", "ProtectHome=yes", "if it writes there"),
        OWN_CHECK,
    ),
    "variable": Case(
        {**STRICT, "environment": {"CONFIG": f"{HOME}/data/file"}, "exec_start": shell('cat "$CONFIG"')},
        (".environment.CONFIG", "found a path that is not shown, which ProtectHome=yes"),
        OWN_CHECK,
    ),
    "own-directive": Case(
        {"directives": {"Service": {"ProtectHome": "tmpfs"}}, "exec_start": [f"{HOME}/app/sleep", "infinity"]},
        (".exec_start[0]", "which ProtectHome=tmpfs hides"),
        EXEC,
    ),
    "owned": Case(
        {**STRICT, "working_directory": f"{OWN}/app", "exec_start": writes(".")},
        (".working_directory", f"where {USER} may write, and which ProtectSystem=strict (hardening: strict) makes read-only"),
        OWN_CHECK,
        WRITES,
    ),
    "owned-read": Case(
        {**STRICT, "working_directory": f"{OWN}/app", "exec_start": shell("cat file")},
        (".working_directory", "ReadOnlyPaths"),
        chosen=READS,
    ),
    "usr": Case(
        {"working_directory": f"/usr/local/{USER}", "exec_start": writes(".")},
        (".working_directory", "ProtectSystem=full (hardening: basic)"),
        OWN_CHECK,
        WRITES,
    ),
    "etc": Case(
        {"working_directory": f"/etc/{USER}", "exec_start": writes(".")},
        (".working_directory", "ProtectSystem=full"),
        OWN_CHECK,
        WRITES,
    ),
    "each@": Case(
        {**STRICT, "instances": [USER], "working_directory": "/home/%i/app", "exec_start": writes(".")},
        (".working_directory (each@pathkeys)", "ProtectHome=yes"),
        CHDIR,
    ),
}  # fmt: skip
WARNED = {
    "left-behind": Case(
        {"exec_start": shell('cat "${0#unix:}"', f"unix:/tmp/{USER}/file")},
        (".exec_start[3]", "PrivateTmp=yes", "/tmp of its own"),
    ),
    "left-behind-strict": Case(
        {**STRICT, "exec_start": shell('echo >> "$0"', f"/tmp/{USER}/file")},
        (".exec_start[3]", "read_write_paths: [/tmp]"),
    ),
    "told-folder": Case(
        {**STRICT, "exec_start": shell('echo > "$0/new"', f"{OWN}/data")},
        (".exec_start[3]", f"where {USER} may write, and which ProtectSystem=strict"),
        chosen=WRITES,
    ),
    "told-file": Case(
        {**STRICT, "exec_start": shell('echo >> "$0"', f"{OWN}/data/file")},
        (".exec_start[3]", "if it writes there"),
        chosen=WRITES,
    ),
}
#: What each of these writes is in its own check; nothing is refused, and nothing is warned of.
ACCEPTED = {
    "state": {**STRICT, "state_directory": ["pathkeys"], "exec_start": writes("/var/lib/pathkeys")},
    "own-tmp": {**STRICT, "exec_start": writes("/tmp"), "environment": {"TMPDIR": "/tmp"}},
    "part": {
        **STRICT, "working_directory": OWN, "read_write_paths": [f"{OWN}/data"], "exec_start": writes("data"),
    },
    "sources": {**STRICT, "working_directory": f"{OWN}/app", "sources": [f"{OWN}/app"], "exec_start": shell("cat file")},
    "not-its-own": {**STRICT, "working_directory": "/opt/roots", "exec_start": shell("cat file")},
    "configuration": {"exec_start": shell('cat "$0"', f"/etc/{USER}/file")},
    "nothing-hidden": {"hardening": "none", "working_directory": f"/tmp/{USER}", "exec_start": writes(".")},
    "home-in-basic": {"working_directory": f"{HOME}/app", "exec_start": writes(".")},
    "bound": {
        **STRICT, "working_directory": HOME, "exec_start": writes("app"),
        "directives": {"Service": {"ProtectHome": "tmpfs", "BindPaths": f"{HOME}/app"}},
    },
    "home-read-only": {
        **STRICT, "working_directory": f"{HOME}/app", "exec_start": shell("cat file"),
        "directives": {"Service": {"ProtectHome": "read-only"}},
    },
    "wanted": {
        "directives": {"Service": {"InaccessiblePaths": "/opt/secret"}}, "exec_start": shell('! ls "$0"', "/opt/secret"),
    },
    "root": {**STRICT, "user": "root", "working_directory": OWN, "exec_start": shell("cat app/file || pwd")},
    "devices": {**STRICT, "exec_start": shell('cat "$0" > "$1"', "/dev/null", "--log=/dev/shm")},
    "maybe": {**STRICT, "read_write_paths": ["-/opt/nowhere"], "exec_start": shell("true")},
}  # fmt: skip
ACCEPTED["devices"] = {
    **STRICT,
    "exec_start": shell('cat "$0" > /dev/null && touch "${1#--log=}/x"', "/dev/null", "--log=/dev/shm"),
}


def one(prefix, name, keys):
    return {"name": f"{prefix}-{name}", "user": USER, "settle_sec": "1s", **keys}


def remedied(name, case, message):
    """Return the service with the keys that its message names."""
    found = re.findall(r"(read_write_paths|directives): (\[[^]]*\]|\{Service: \{[^}]*\}\})", message)
    keys = dict(case.keys)
    for key, text in found[case.chosen]:
        value = yaml.safe_load(text)
        if key == "directives":
            own = keys.get("directives", {}).get("Service", {})
            value = {"Service": {**own, **value["Service"]}}
        else:
            value = [*keys.get(key, []), *value]
        keys[key] = value
    assert found, message
    return one("paths", name, keys)


@pytest.fixture(scope="module")
def prepared(host):
    host.check(PREPARE)
    return host


def told(result):
    """Return the warnings about paths; other tests of this host have left services behind, of which a run warns, too."""
    return [warning for warning in result["warnings"] if warning.startswith("services[")]


def remove(host, services):
    applied(host, [{"name": service["name"], "state": "absent"} for service in services])


def listed(cases):
    return [one("paths", name, case.keys) for name, case in cases.items()]


def test_every_path_that_is_denied_is_refused_with_its_key(prepared):
    lines = apply(prepared, listed(REFUSED))["msg"].splitlines()
    assert len(lines) == len(REFUSED)
    for index, ((name, case), line) in enumerate(zip(REFUSED.items(), lines, strict=True)):
        assert line.startswith(f"services[{index}]{case.expected[0].split(' ')[0]} (paths-{name}")
        assert [part for part in case.expected[1:] if part not in line] == [], line
    assert apply(prepared, listed(REFUSED), check=True)["msg"].splitlines() == lines


@pytest.mark.parametrize("name", [name for name, case in REFUSED.items() if case.fails and "@" not in name])
def test_what_is_refused_would_have_failed(prepared, name):
    raw = one("forced", name, REFUSED[name].keys)
    version = int(prepared.check(["systemctl", "--version"]).split()[1])
    unit = f"forced-{name}.service"
    prepared.put(f"/run/systemd/system/{unit}", render(parse_services([raw])[0], version).files[0].text)
    prepared.check(["systemctl", "daemon-reload"])
    prepared.run(["systemctl", "start", "--no-block", unit])
    ended = ["ExecStartPre"] if name == "pre" else ["ExecMainStatus"]
    wait_for(
        lambda: (
            properties(prepared, unit, "Result")[0] == "exit-code"
            or "auto-restart" in properties(prepared, unit, "SubState")
        )
    )
    shown = properties(prepared, unit, *ended)[0]
    assert f"status={REFUSED[name].fails}" in shown if name == "pre" else shown == REFUSED[name].fails
    prepared.check(["systemctl", "stop", unit])
    prepared.check(f"rm /run/systemd/system/{unit} && systemctl daemon-reload")


def test_the_remedies_make_them_start_and_write(prepared):
    lines = apply(prepared, listed(REFUSED))["msg"].splitlines()
    mended = [remedied(name, case, line) for (name, case), line in zip(REFUSED.items(), lines, strict=True)]
    assert told(applied(prepared, mended)) == []
    remove(prepared, mended)


def test_what_may_be_meant_so_is_a_warning_whose_remedy_helps(prepared):
    services = listed(WARNED)
    warnings = told(apply(prepared, services, check=True))
    assert len(warnings) == len(WARNED)
    for index, (case, warning) in enumerate(zip(WARNED.values(), warnings, strict=True)):
        assert warning.startswith(f"services[{index}]{case.expected[0]}")
        assert [part for part in case.expected[1:] if part not in warning] == [], warning
    mended = [remedied(name, case, warning) for (name, case), warning in zip(WARNED.items(), warnings, strict=True)]
    assert told(applied(prepared, mended)) == []
    remove(prepared, mended)


def test_what_is_well_is_accepted_without_a_word_and_runs(prepared):
    services = [one("well", name, keys) for name, keys in ACCEPTED.items()]
    assert told(applied(prepared, services)) == []
    remove(prepared, services)


def test_a_folder_to_be_written_must_be_there(prepared):
    gone = one("paths", "gone", {"read_write_paths": ["/opt/nowhere"], "exec_start": shell("true")})
    assert (
        'services[0].read_write_paths[0] (paths-gone): found "/opt/nowhere", which is not there'
        in apply(prepared, [gone])["msg"]
    )
    predicted = apply(prepared, [gone], check=True)
    assert not predicted.get("failed")
    assert any("/opt/nowhere" in warning for warning in predicted["warnings"])


def test_what_an_earlier_step_would_make_is_not_judged(prepared):
    later = one(
        "paths",
        "later",
        {**STRICT, "virtualenv": "/opt/later/venv", "exec_start": ["/opt/later/venv/bin/python", "-V"]},
    )
    arguments = {"services": [{**later, "user": "nobody-yet", "working_directory": "/opt/later"}]}
    predicted = prepared.module(
        "systemd_units", {**arguments, "changed_environments": ["/opt/later/venv"], "accounts_made": True}, check=True
    )
    assert not predicted.get("failed"), predicted
    assert [warning for warning in told(predicted) if "which is not there" not in warning] == []


def test_credentials_beside_early_commands_start_where_systemd_can(prepared):
    prepared.put(f"/etc/{USER}/token", "secret", 0o600)
    keys = {
        "credentials": {"token": f"/etc/{USER}/token"},
        "exec_start_pre": ["/bin/true"],
        "exec_start": shell("true"),
    }
    early = one("paths", "early", keys)
    if RELEASES[prepared.facts["release"]].systemd < 248:
        message = apply(prepared, [early])["msg"]
        assert "services[0].credentials (paths-early): found credentials of a service with exec_start_pre" in message
        early = {**early, "hardening": "none"}
    applied(prepared, [early])
    remove(prepared, [early])
