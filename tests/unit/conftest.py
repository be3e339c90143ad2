# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Property-based tests have no deadline for one example: other steps run at the same time, on machines of any speed."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("stability", deadline=None)
settings.load_profile("stability")
