# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs one of the host's own tools. The module subprocess would cost a round as much again as all that it reads."""

from __future__ import annotations

import os
from collections.abc import Sequence

_ENVIRONMENT = {"LC_ALL": "C", "TZ": "UTC", "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}


class CommandFailed(RuntimeError):
    """A tool ended with an error, or is not there; the text says which one."""


def output(argv: Sequence[str]) -> str:
    """Return what a command prints on its standard output; what it complains of goes where ours goes.

    Raises :class:`CommandFailed`.
    """
    reading, writing = os.pipe2(os.O_CLOEXEC)
    try:
        actions = [(os.POSIX_SPAWN_DUP2, writing, 1)]
        # Nothing of Ansible is there where this runs.
        # pylint: disable-next=ansible-bad-function
        child = os.posix_spawnp(argv[0], list(argv), _ENVIRONMENT, file_actions=actions)
    except OSError as error:
        os.close(reading)
        raise CommandFailed(f"{argv[0]} cannot be run: {error.strerror}") from None
    finally:
        os.close(writing)
    with open(reading, encoding="utf-8", errors="replace") as stream:
        printed = stream.read()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status:
        raise CommandFailed(f"{' '.join(argv[:2])} ended with {status}")
    return printed
