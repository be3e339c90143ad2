# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The names of units: templates, their instances, and the files that hold their directives (systemd.unit(5))."""

from __future__ import annotations

import re

#: The file of ours below ``<unit>.d``.
DROP_IN = "50-stability.conf"
_TEMPLATE = re.compile(r"[^@/]+@\.[a-z]+\Z")
_INSTANCE = re.compile(r"([^@/]+@)([^/]+)(\.[a-z]+)\Z")
_ESCAPE = re.compile(r"\\x([0-9a-f]{2})")
#: What stands for the instance in the lists of a template: systemd.unit(5), "Specifiers".
_SPECIFIER = re.compile(r"%([iI])")


def template_of(unit: str) -> str:
    """Return the template whose unit file an instance uses; for any other unit the unit itself."""
    return _INSTANCE.sub(r"\1\3", unit)


def is_instance(unit: str) -> bool:
    """Return whether ``unit`` is an instance of a template."""
    return bool(_INSTANCE.match(unit))


def is_template(unit: str) -> bool:
    """Return whether ``unit`` is a template: it has a unit file and can never run itself."""
    return bool(_TEMPLATE.match(unit))


def instance_of(template: str, name: str) -> str:
    """Return the instance ``name`` of a template; any other unit stays what it is."""
    return template.replace("@.", f"@{name}.") if is_template(template) else template


def drop_in_of(unit: str) -> str:
    """Return the name of our drop-in for ``unit``, below the folder of unit files."""
    return f"{unit}.d/{DROP_IN}"


def unit_of(file: str) -> str:
    """Return the unit that a file, its unit file or our drop-in, is about."""
    return file.split(".d/", 1)[0]


def is_drop_in(file: str) -> bool:
    """Return whether the name of a file is that of a drop-in, not of a unit."""
    return "/" in file


def unescaped(instance: str) -> str:
    """Return what ``%I`` stands for (systemd-escape(1)): ``srv-data`` is ``srv/data``, ``a\\x2db`` is ``a-b``."""
    bytewise = _ESCAPE.sub(lambda code: chr(int(code[1], 16)), instance.replace("-", "/"))
    return bytewise.encode("latin-1", "replace").decode("utf-8", "replace") if _ESCAPE.search(instance) else bytewise


def with_instance(text: str, instance: str) -> str:
    """Return ``text`` with the specifiers ``%i`` and ``%I`` replaced, as systemd does for the instance."""
    return _SPECIFIER.sub(lambda found: instance if found[1] == "i" else unescaped(instance), text)
