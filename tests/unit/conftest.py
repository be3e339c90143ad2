# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all unit tests share.

Property-based tests have no deadline for one example: other steps run at the same time, on machines of any speed.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.stability.baseline.plugins.module_utils.runtime_files import files
from hypothesis import settings

settings.register_profile("stability", deadline=None)
settings.load_profile("stability")


@pytest.fixture(scope="session")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the files of the runtime."""
    folder = tmp_path_factory.mktemp("runtime")
    for path, text in files().items():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_text(text)
    return folder
