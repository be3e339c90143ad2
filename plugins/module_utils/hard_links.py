# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that have further names elsewhere: what is written to one of them is written to all."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile


def break_link(path: str) -> None:
    """Make the file at ``path`` one of its own when it has further names; content, mode and times stay.

    Links and what is no file are left alone.
    """
    status = os.lstat(path)
    if not stat.S_ISREG(status.st_mode) or status.st_nlink == 1:
        return
    descriptor, copy = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".stability-")
    os.close(descriptor)
    shutil.copy2(path, copy)
    os.replace(copy, path)
