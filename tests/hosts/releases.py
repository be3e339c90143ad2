# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Debian releases that test hosts are made of, as data."""

from __future__ import annotations

from typing import NamedTuple


class Release(NamedTuple):
    """One Debian release.

    Attributes:
        name: code name, as the package index calls it.
        systemd: major version of its systemd.
        python: version of its Python, ``major.minor``.
        glibc: minor version of its C library 2.x; decides which wheels run there.
        needs_unified_cgroups: its systemd does not boot on cgroup v1.
        apt_options: further options for apt while the image is built.
    """

    name: str
    systemd: int
    python: str
    glibc: int
    needs_unified_cgroups: bool = False
    apt_options: tuple[str, ...] = ()


DEFAULT_RELEASE = "bookworm"

RELEASES = {
    release.name: release
    for release in (
        Release("bullseye", systemd=247, python="3.9", glibc=31),
        Release("bookworm", systemd=252, python="3.11", glibc=36),
        Release("trixie", systemd=257, python="3.13", glibc=41),
        Release(
            "forky",
            systemd=262,
            python="3.14",
            glibc=42,
            needs_unified_cgroups=True,
            # The index of a testing release is at times past its date; signatures are still checked.
            apt_options=('Acquire::Check-Valid-Until "false"',),
        ),
    )
}
