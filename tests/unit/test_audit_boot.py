# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which units a boot does not reach, though they are enabled."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.stability.baseline.plugins.module_utils.audit_boot import boot_of, linked_into, stranded_of

BOOT = {"default.target", "basic.target", "timers.target", "nginx.service", "linked.service"}


@pytest.mark.parametrize(
    ("unit", "into", "stranded"),
    [
        ("api.service", ("multiuser.target",), ("multiuser.target",)),
        ("api.service", ("x.target", "a.target"), ("a.target", "x.target")),
        ("api.service", ("multiuser.target", "multi-user.target"), ()),
        ("api.service", ("multi-user.target",), ()),
        ("api.service", ("default.target",), ()),
        ("api.service", ("nginx.service",), ()),
        ("api.service", ("sshd.service",), ("sshd.service",)),
        ("api.service", ("dev-ttyUSB0.device",), ()),
        ("api.service", ("bluetooth.target",), ()),
        ("api.service", (), ()),
        ("linked.service", ("own.target",), ()),
        ("api.timer", ("timer.target",), ("timer.target",)),
    ],
)
def test_units_that_no_boot_reaches(unit: str, into: tuple[str, ...], stranded: tuple[str, ...]) -> None:
    assert stranded_of({unit: into}, BOOT, "multi-user.target") == ({unit: stranded} if stranded else {})


@pytest.mark.parametrize(
    ("into", "fleeting", "stranded", "pulled_in"),
    [
        ({"a.timer": ()}, (), False, False),
        ({"a.timer": ("timers.target",)}, (), False, True),
        ({"a.timer": ("timer.target",)}, (), True, False),
        # systemctl enable --runtime: systemd says that the target wants it, and the link goes with this boot.
        ({"linked.service": ()}, ("linked.service",), False, False),
        ({"linked.service": ()}, (), False, True),
        ({"api.service": ("linked.service",)}, ("linked.service",), True, False),
    ],
)
def test_what_a_boot_makes_of_a_unit(
    into: dict[str, tuple[str, ...]], fleeting: tuple[str, ...], stranded: bool, pulled_in: bool
) -> None:
    (unit,) = into
    boot = boot_of(into, fleeting, BOOT, "multi-user.target")
    assert (unit in boot.stranded, unit in boot.pulled_in) == (stranded, pulled_in)


def test_where_systemd_says_nothing_of_the_boot_nothing_is_stranded() -> None:
    boot = boot_of({"api.service": ("multiuser.target",), "b.service": ()}, (), (), "multi-user.target")
    assert (boot.stranded, boot.pulled_in) == ({}, {"api.service"})


def test_links_say_what_a_unit_is_enabled_into(tmp_path: Path) -> None:
    for folder, unit in (
        ("a.target.wants", "x.service"),
        ("b.target.requires", "x.service"),
        ("x.service.d", "y.conf"),
    ):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / unit).symlink_to("/nowhere")
    (tmp_path / "c.target.wants").write_text("")
    (tmp_path / "d.target.upholds").mkdir()
    assert linked_into([str(tmp_path / "none")]) == {}
    (tmp_path / "c.target.wants").unlink()
    assert linked_into([str(tmp_path), str(tmp_path / "none")]) == {"x.service": {"a.target", "b.target"}}
