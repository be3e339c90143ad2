# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a section hides and makes read-only, as tables; integration tests hold the same against a real systemd."""

from __future__ import annotations

import os

import pytest
from ansible_collections.stability.baseline.plugins.module_utils.sandbox import made_folders, sandbox_of, steps

HOME = "/home/someone"
STRICT = {"ProtectSystem": ["strict"], "ProtectHome": ["yes"], "PrivateTmp": ["yes"], "PrivateDevices": ["yes"]}
TMPFS = {"ProtectHome": ["tmpfs"]}


def sandbox(section):
    found = sandbox_of(section)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("section", "path", "directive"),
    [
        ({}, f"{HOME}/app", ""),
        (STRICT, f"{HOME}/app", "ProtectHome=yes"),
        (STRICT, "/home", "ProtectHome=yes"),
        (STRICT, "/homes/app", ""),
        (STRICT, "/root", "ProtectHome=yes"),
        (STRICT, "/run/user/1000", "ProtectHome=yes"),
        ({"ProtectHome": ["no"]}, HOME, ""),
        ({"ProtectHome": ["yes", "false"]}, HOME, ""),
        ({"ProtectHome": ["read-only"]}, HOME, ""),
        (TMPFS, "/home", ""),
        (TMPFS, HOME, "ProtectHome=tmpfs"),
        ({**TMPFS, "BindPaths": [f"{HOME}/app"]}, f"{HOME}/app/x", ""),
        ({**TMPFS, "BindPaths": [f"{HOME}/app"]}, HOME, ""),
        ({**TMPFS, "BindPaths": [f"{HOME}/app"]}, f"{HOME}/other", "ProtectHome=tmpfs"),
        ({**TMPFS, "BindReadOnlyPaths": [f"-/srv/app:{HOME}/app:rbind"]}, f"{HOME}/app", ""),
        # Under ProtectHome=yes nobody can enter the folder above a bind mount.
        ({**STRICT, "BindPaths": [f"{HOME}/app"]}, f"{HOME}/app", "ProtectHome=yes"),
        ({**STRICT, "InaccessiblePaths": [f"-{HOME}"]}, f"{HOME}/app", ""),
        ({**STRICT, "TemporaryFileSystem": [f"{HOME}:ro"]}, f"{HOME}/app", ""),
        (STRICT, "/tmp/x", "PrivateTmp=yes"),
        (STRICT, "/tmp", ""),
        (STRICT, "/var/tmp/x", "PrivateTmp=yes"),
        ({"PrivateTmp": ["disconnected"]}, "/tmp/x", "PrivateTmp=disconnected"),
        ({**STRICT, "BindPaths": ["/tmp/x"]}, "/tmp/x/y", ""),
        ({**STRICT, "BindPaths": ["%T/x"]}, "/tmp/x", ""),
        (STRICT, "/dev/ttyS0", "PrivateDevices=yes"),
        (STRICT, "/dev/null", ""),
        (STRICT, "/dev/shm/x", ""),
    ],
)
def test_hidden(section, path, directive):
    found = sandbox(section).hidden(path)
    assert (found[0].directive if found else "") == directive


def test_what_links_lead_to_is_hidden(tmp_path):
    (tmp_path / "venv").symlink_to(tmp_path / "real")
    (tmp_path / "real" / "bin").mkdir(parents=True)
    (tmp_path / "real" / "bin" / "python").symlink_to("python3")
    (tmp_path / "real" / "bin" / "python3").symlink_to(f"{HOME}/python/bin/python3")
    found = sandbox({"ProtectHome": ["yes"]}).hidden(f"{tmp_path}/venv/bin/python")
    assert found is not None and found[1] == f"{HOME}/python/bin/python3"


def test_steps_follow_links_as_the_kernel_does(tmp_path):
    base = os.path.realpath(tmp_path)
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "up").symlink_to("../c")
    (tmp_path / "round").symlink_to("round")
    seen = list(steps(f"{base}/a/up/x"))
    assert seen[-4:] == [f"{base}/a", f"{base}/a/up", f"{base}/c", f"{base}/c/x"]
    assert len(list(steps(f"{base}/round/x"))) < 100


@pytest.mark.parametrize(
    ("section", "path", "frozen"),
    [
        ({}, "/usr/local/app", False),
        ({"ProtectSystem": ["yes"]}, "/usr/local/app", True),
        ({"ProtectSystem": ["yes"]}, "/etc/app", False),
        ({"ProtectSystem": ["full"]}, "/etc/app", True),
        ({"ProtectSystem": ["full"]}, "/srv/app", False),
        ({"ProtectSystem": ["full", "no"]}, "/etc/app", False),
        (STRICT, "/srv/app", True),
        (STRICT, "/dev/shm", False),
        (STRICT, "/tmp/x", False),
        ({"ProtectSystem": ["strict"]}, "/tmp/x", True),
        ({**STRICT, "ReadWritePaths": ['"/srv/app"']}, "/srv/app/data", False),
        ({**STRICT, "ReadWritePaths": ["/srv/a /srv/app"]}, "/srv/app", False),
        ({**STRICT, "ReadWritePaths": ["/srv/app", "", "/srv/b"]}, "/srv/app", True),
        ({**STRICT, "ReadWritePaths": ["/srv/app/data"]}, "/srv/app", False),
        ({**STRICT, "ReadWritePaths": ["-/srv/a%%b"]}, "/srv/a%b", False),
        ({**STRICT, "ReadWritePaths": ['/srv/unbalanced"']}, "/srv/app", True),
        ({**STRICT, "ReadOnlyPaths": ["/srv"]}, "/srv/app", False),
        ({**STRICT, "BindPaths": ["/data:/srv/app"]}, "/srv/app", False),
        ({**STRICT, "ProtectHome": ["read-only"]}, HOME, False),
        ({**STRICT, "ProtectHome": ["no"]}, HOME, True),
        ({**STRICT, "StateDirectory": ["app other"]}, "/var/lib/other/x", False),
        ({**STRICT, "LogsDirectory": ["app:link"]}, "/var/log/app", False),
        ({**STRICT, "LogsDirectory": ["app"]}, "/var/log/application", True),
    ],
)
def test_read_only(section, path, frozen):
    assert sandbox(section).freezes(path) is frozen


def test_a_root_folder_of_its_own_is_not_judged():
    assert sandbox_of({**STRICT, "RootDirectory": ["/srv/root"]}) is None


def test_folders_that_systemd_makes():
    section = {"StateDirectory": ["a b"], "RuntimeDirectory": ["r/s"], "ConfigurationDirectory": ["c"]}
    assert set(made_folders(section)) == {"/var/lib/a", "/var/lib/b", "/run/r/s", "/etc/c"}
