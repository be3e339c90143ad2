# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the runtime is on a host, and by which variables a service has it."""

from __future__ import annotations

#: A service that has the runtime names this folder first in its ``PYTHONPATH``.
FOLDER = "/usr/local/lib/stability/python"
#: The folder with the sockets of the processes of a service.
PROBE = "STABILITY_PROBE"
