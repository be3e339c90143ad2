# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Python on a test host that nobody manages: a copy of the system's, with a pip, outside of any virtual environment."""

from __future__ import annotations

#: The pip that Debian 12's own ``ensurepip`` installs; that of Debian 11 needs other wheels beside it.
DEBIANS_PIP = "/usr/share/python-wheels/pip-*.whl"
_SCRIPT = """
set -e
version=$(/usr/bin/python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
mkdir -p "$1/bin" "$1/lib"
cp "/usr/bin/python$version" "$1/bin/python3"
cp -r "/usr/lib/python$version" "$1/lib/"
rm -f "$1/lib/python$version/EXTERNALLY-MANAGED"
pip=$(ls $2)
"$1/bin/python3" "$pip/pip" install --quiet --no-index --no-warn-script-location "$pip"
"""


def plain_python(host, folder, pip=DEBIANS_PIP):
    """Make such a Python in a folder of the host, with the ``pip`` of a wheel there, and return its path."""
    host.check(["sh", "-c", _SCRIPT, "plain", folder, pip])
    return f"{folder}/bin/python3"
