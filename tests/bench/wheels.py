# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every contestant installs: made distributions, which need each other, of as many files as real ones have."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from pathlib import Path

#: Files of a distribution, those in its .dist-info included: 100 distributions have 12,000.
FILES = 120
#: So many distributions in a row need the one before them.
CHAIN = 10
_MODULE = '''"""Part {part} of {package}, version {version}."""

from __future__ import annotations

LIMITS = {{"size": {part}, "weight": {part} * 2, "name": "{package}"}}


class Part:
    """Something with a state."""

    def __init__(self, size: int, name: str = "{package}") -> None:
        self.size = size
        self.name = name

    def fits(self, other: Part) -> bool:
        """Whether another part is not larger."""
        return other.size <= self.size and other.name == self.name


def total(parts: list[Part]) -> int:
    """Return the size of all parts together."""
    found = 0
    for part in parts:
        if part.size > LIMITS["size"]:
            found += part.size
    return found
'''


def project(index: int) -> str:
    """Return the name of a distribution."""
    return f"bench-dist-{index:03}"


def _digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


def write_wheel(folder: Path, index: int, version: str) -> None:
    """Write the wheel of a distribution."""
    package = project(index).replace("-", "_")
    info = f"{package}-{version}.dist-info"
    needs_one = index % CHAIN > 0
    before = project(index - 1)
    first = f"from {before.replace('-', '_')} import VERSION as BEFORE\n" if needs_one else ""
    texts = {f"{package}/__init__.py": f'{first}VERSION = "{version}"\n'}
    for part in range(FILES - len(texts) - 4):
        texts[f"{package}/part_{part:03}.py"] = _MODULE.format(part=part, package=package, version=version)
    requires = f"Requires-Dist: {before}>=1\n" if needs_one else ""
    texts[f"{info}/METADATA"] = f"Metadata-Version: 2.1\nName: {project(index)}\nVersion: {version}\n{requires}"
    texts[f"{info}/WHEEL"] = "Wheel-Version: 1.0\nGenerator: bench\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    record = "".join(f"{name},sha256={_digest(text)},{len(text.encode())}\n" for name, text in texts.items())
    texts[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n"
    with zipfile.ZipFile(folder / f"{package}-{version}-py3-none-any.whl", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in texts.items():
            archive.writestr(name, text)


def write_wheels(folder: Path, size: int, changed: int) -> None:
    """Write version 1 of ``size`` distributions, and version 2 of the first ``changed`` of them."""
    folder.mkdir()
    for index in range(size):
        write_wheel(folder, index, "1.0")
    for index in range(changed):
        write_wheel(folder, index, "2.0")
