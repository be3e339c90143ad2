# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The users and groups that services run as."""

from __future__ import annotations

import grp
import pwd
from collections.abc import Iterable
from dataclasses import dataclass

from .services import Service
from .systemd_host import HostError, run


@dataclass(frozen=True)
class Account:
    """A system user or group to be made; ``kind`` is ``user`` or ``group``."""

    kind: str
    name: str
    group: str = ""
    home: str = ""


def _exists(kind: str, name: str) -> bool:
    if name.isdigit():
        return True
    try:
        if kind == "user":
            pwd.getpwnam(name)
        else:
            grp.getgrnam(name)
    except KeyError:
        return False
    return True


def unknown_number(kind: str, number: str) -> bool:
    """Whether no user or group has this number: systemd does not start a service as one that is not there (217/USER, 216/GROUP)."""
    try:
        return not (pwd.getpwuid(int(number)) if kind == "user" else grp.getgrgid(int(number)))
    except (KeyError, OverflowError):
        return True


def missing_accounts(services: Iterable[Service]) -> list[Account]:
    """Return the groups and users that the services need and the host does not have, groups first."""
    wanted: dict[str, None] = {}
    users: dict[str, Account] = {}
    for service in services:
        if service.is_absent:
            continue
        user, group = service.values["user"] or "", service.values["group"] or ""
        if group:
            wanted[group] = None
        if user and not _exists("user", user):
            own_home = None if service.is_template else service.values["working_directory"]
            home = own_home or "/nonexistent"
            users.setdefault(user, Account("user", user, group, home))
    # A user that has to be made brings the group of its name along, unless its own group is another one.
    brought = {name for name, account in users.items() if account.group in ("", name)}
    groups = [Account("group", name) for name in wanted if name not in brought and not _exists("group", name)]
    return [*groups, *users.values()]


def make_account(account: Account) -> None:
    """Make a system user or group (useradd(8), groupadd(8)); :class:`HostError` with their message."""
    if account.kind == "group":
        argv = ["groupadd", "--system", account.name]
    else:
        if account.group and account.group != account.name:
            group = ["--gid", account.group]
        elif _exists("group", account.name):
            group = ["--gid", account.name]
        else:
            group = ["--user-group"]
        argv = ["useradd", "--system", *group, "--no-create-home", "--home-dir", account.home]
        argv += ["--shell", "/usr/sbin/nologin", account.name]
    done = run(argv)
    if done.status:
        raise HostError(f"The {account.kind} {account.name} cannot be made: {done.stderr.strip()}")
