# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists as systemctl shows them."""

from __future__ import annotations

import pytest
from ansible_collections.stability.baseline.plugins.module_utils.shown_lists import members_of


@pytest.mark.parametrize(
    ("shown", "members"),
    [
        ("", []),
        ("a.target", ["a.target"]),
        ("a.target b.target", ["a.target", "b.target"]),
        ('"/a/20 with space.conf" /a/b.conf', ["/a/20 with space.conf", "/a/b.conf"]),
        (r'"/a/20 with space\"q.conf" "/a/30 x.conf"', ['/a/20 with space"q.conf', "/a/30 x.conf"]),
        (r'"we\\x2drd.timer" b.timer', [r"we\x2drd.timer", "b.timer"]),
        (r'"/a/b\nc\td.conf"', ["/a/b\nc\td.conf"]),
        (r'"/a/\$x\`y.conf"', ["/a/$x`y.conf"]),
        (r'"/a/ü \303\274.conf"', ["/a/ü ü.conf"]),
        (r'"/a/\001\377 b.conf"', ["/a/\x01\udcff b.conf"]),
        (r'"\xc3\xbc b"', ["ü b"]),
        ('""', [""]),
        # Cut off: nothing is lost.
        ('"/a b', ['"/a', "b"]),
    ],
)
def test_members_of_a_list(shown: str, members: list[str]) -> None:
    assert members_of(shown) == members
