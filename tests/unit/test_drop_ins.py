# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Drop-ins: a restart policy that fits the type of somebody else's unit, and nothing that was not written out."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from ansible_collections.stability.baseline.plugins.module_utils.drop_ins import Under, render_drop_in
from ansible_collections.stability.baseline.plugins.module_utils.manifest import Manifest
from ansible_collections.stability.baseline.plugins.module_utils.services import parse_services
from ansible_collections.stability.baseline.plugins.module_utils.unit_checks import check_drop_ins
from ansible_collections.stability.baseline.plugins.module_utils.unit_files import HEADER

DAEMON = Under("notify")
SOCKET = Under("notify", frozenset({"socket"}))
ONESHOT = Under("oneshot")
TIMED = Under("oneshot", frozenset({"timer"}))
ALWAYS = "\n[Unit]\nStartLimitIntervalSec=0\n\n[Service]\nRestart=always\nRestartSec=5s\n"
#: (keys, what it lies over, the drop-in, what its process must be started with).
RENDERED = [
    ({}, DAEMON, ALWAYS, ""),
    (
        {},
        ONESHOT,
        "\n[Unit]\nStartLimitIntervalSec=10min\nStartLimitBurst=4\n\n[Service]\nRestart=on-failure\nRestartSec=1min\n",
        "",
    ),
    ({}, SOCKET, ALWAYS, ""),
    ({}, TIMED, "", ""),
    ({}, Under("oneshot", frozenset({"socket"})), "", ""),
    # A job ends when it is done: Restart=always would begin it again five seconds later, for ever.
    ({}, Under("simple", frozenset({"timer"})), "", ""),
    ({}, Under("simple", frozenset({"timer"}), is_enabled=True), "", ""),
    ({}, Under("simple", frozenset({"path"})), "", ""),
    ({}, Under("simple", frozenset({"path", "socket"}), is_enabled=True), ALWAYS, ""),
    ({"restart": "always"}, Under("simple", frozenset({"timer"})), "\n[Service]\nRestart=always\n", ""),
    ({"type": "exec"}, TIMED, "\n[Service]\nType=exec\n", "\n[Service]\nType=exec\n"),
    ({"type": "exec"}, ONESHOT, ALWAYS.replace("Restart=", "Type=exec\nRestart="), "\n[Service]\nType=exec\n"),
    ({"restart_sec": "9s"}, DAEMON, ALWAYS.replace("5s", "9s"), ""),
    (
        {"exec_start": ["/bin/a"], "restart": "no"},
        DAEMON,
        ALWAYS.replace("Restart=always", "ExecStart=\nExecStart=/bin/a\nRestart=no"),
        "\n[Service]\nExecStart=\nExecStart=/bin/a\n",
    ),
    (
        {"environment": {"A": "b"}, "hardening": "none", "after": "x.service"},
        DAEMON,
        "\n[Unit]\nAfter=x.service\nStartLimitIntervalSec=0\n"
        "\n[Service]\nEnvironment=A=b\nRestart=always\nRestartSec=5s\n",
        "\n[Service]\nEnvironment=A=b\n",
    ),
]


@pytest.mark.parametrize(("keys", "below", "text", "start"), RENDERED)
def test_a_drop_in_holds_the_policy_and_what_is_written_out(keys, below, text, start):
    (service,) = parse_services([{"name": "vendor", "drop_in": True, **keys}])
    rendered = render_drop_in(service, 252, below)
    assert [file.name for file in rendered.files] == ["vendor.service.d/50-stability.conf"]
    assert (rendered.files[0].text, rendered.start) == (HEADER + text, HEADER + start)


def test_neither_user_nor_state_nor_enabled_are_touched_by_default():
    (service,) = parse_services([{"name": "vendor", "drop_in": "yes"}])
    assert [service.values[key] for key in ("user", "state", "enabled", "exec_start")] == [None] * 4


def test_what_a_socket_starts_for_each_connection_is_not_started_again():
    (service,) = parse_services([{"name": "vendor@", "drop_in": True}])
    assert render_drop_in(service, 252, Under("simple", frozenset({"socket"}))).files[0].text == HEADER


def test_units_of_the_system_may_have_a_drop_in():
    assert parse_services([{"name": "ssh", "drop_in": True}])[0].files == ("ssh.service.d/50-stability.conf",)


@pytest.mark.parametrize(
    ("keys", "unit_type", "remains", "refused"),
    [
        ({"state": "started"}, "oneshot", "no", True),
        ({"state": "started"}, "oneshot", "yes", False),
        ({"state": "started"}, "exec", "no", False),
        ({}, "oneshot", "no", False),
        ({"state": "stopped"}, "oneshot", "no", False),
        ({"state": "started", "type": "oneshot"}, "exec", "no", True),
        ({"state": "started", "directives": {"Service": {"RemainAfterExit": "true"}}}, "oneshot", "no", False),
        ({"state": "started", "directives": {"Service": {"RemainAfterExit": ["yes", "no"]}}}, "oneshot", "yes", True),
    ],
)
def test_what_is_down_again_at_once_is_not_started(keys, unit_type, remains, refused):
    (service,) = parse_services([{"name": "vendor", "drop_in": True, **keys}])
    state = {
        "Type": unit_type,
        "RemainAfterExit": remains,
        "LoadState": "loaded",
        "FragmentPath": "/",
        "UnitFileState": "static",
    }
    observed = SimpleNamespace(units={"vendor.service": state}, manifest=Manifest(), triggers={}, files={})
    problems, missing = check_drop_ins([service], observed)
    assert missing == []
    assert [str(problem) for problem in problems] == [
        'stability_services[0].state (vendor): found "started"; expected no state for vendor.service, which is a oneshot and down '
        "again as soon as it is done. Take state out, or write directives: {Service: {RemainAfterExit: 'yes'}}."
    ] * refused
