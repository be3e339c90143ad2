# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A scheduled job: it makes a report and ends with the status that ``STATUS`` names."""

import os
import sys

print("a report is made")
sys.exit(int(os.environ.get("STATUS", "0")))
