# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files are looked into at all."""

from __future__ import annotations

import pytest
from ansible_collections.stability.baseline.plugins.module_utils.reference_users import Mentions

IMPORTING = {
    "import": (b"import np", True),
    "import of a submodule": (b"x = 1\nimport np.a as b", True),
    "second in a list": (b"import os.path as p, np", True),
    "from": (b"from np import x", True),
    "from a submodule": (b"from np.a import (x,\n y)", True),
    "in one line": (b"try: import np\nexcept ImportError: pass", True),
    "behind another statement": (b"import os;import\tnp", True),
    "continued": (b"import \\\n    np", True),
    "continued in a list": (b"import os, \\\r\n np", True),
    "continued from": (b"from \\\n np import x", True),
    "no import": (b"np = 1\nnp.a", False),
    "part of a name": (b"import npx, x_np", False),
    "submodule of another": (b"import x.np\nfrom .np import y", False),
    "on the next line": (b"import os\nnp.a", False),
}


@pytest.mark.parametrize(("content", "expected"), IMPORTING.values(), ids=IMPORTING)
def test_only_files_that_import_a_package_are_parsed(content: bytes, expected: bool) -> None:
    assert Mentions({"np", "other"}).any_in(content) is expected


def test_without_packages_nothing_is_parsed() -> None:
    assert not Mentions(()).any_in(b"import np")
