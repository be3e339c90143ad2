# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What systemctl shows of units beside their files."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.stability.baseline.plugins.module_utils import systemd_host
from ansible_collections.stability.baseline.plugins.module_utils.adopt_timers import read_timers
from ansible_collections.stability.baseline.plugins.module_utils.adopt_unit_text import shown_words
from ansible_collections.stability.baseline.plugins.module_utils.audit_model import Unit

RUNNING = {"ActiveState": "active", "UnitFileState": "enabled", "Type": "simple"}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("/a/1.conf /a/2.conf", ["/a/1.conf", "/a/2.conf"]),
        ('"/a/20 with space.conf" /a/2.conf', ["/a/20 with space.conf", "/a/2.conf"]),
        (r'"/a/\"q\" \$x \\ \`.conf"', ['/a/"q" $x \\ `.conf']),
        (r'"/a/\303\244 \n\012"', ["/a/ä \n\n"]),
        (r'"/a/\377"', ["/a/\udcff"]),
        ("", []),
    ],
)
def test_lists_that_systemctl_prints(value: str, expected: list[str]) -> None:
    assert shown_words(value) == expected


def test_a_drop_in_of_a_timer_may_have_blanks_in_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, more = tmp_path / "api.timer", tmp_path / "api.timer.d" / "20 more.conf"
    more.parent.mkdir()
    clock.write_text("[Timer]\nOnCalendar=daily\n")
    more.write_text("[Timer]\nOnCalendar=\nOnCalendar=weekly\n")
    shown = {
        "FragmentPath": str(clock),
        "DropInPaths": f'"{more}"',
        "ActiveState": "active",
        "UnitFileState": "enabled",
    }
    monkeypatch.setattr(systemd_host, "show", lambda names, _properties: dict.fromkeys(names, shown))
    (read,) = read_timers([Unit("api.service", RUNNING, triggers={"api.timer": "enabled"})]).values()
    assert read.sections["Timer"]["OnCalendar"] == ["weekly"] and read.own_drop_ins() == [str(more)]
