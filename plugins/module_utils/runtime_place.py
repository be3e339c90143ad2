# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the runtime is on a host, and by which variables a service has it."""

from __future__ import annotations

#: All that processes of services read of ours.
ROOT = "/usr/local/lib/stability"
#: A service that has the runtime names this folder first in its ``PYTHONPATH``.
FOLDER = f"{ROOT}/python"
#: The folder with the sockets of the processes of a service.
PROBE = "STABILITY_PROBE"
