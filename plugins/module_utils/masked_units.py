# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps credentials out of what a diff shows of unit files."""

from __future__ import annotations

import os
import re

from .masking import SECRET_NAME, masked

#: Stands for a value.
MASK = "********"
#: systemd.syntax(7): blanks around the first ``=``, a backslash at the end that joins the next line that is no comment.
_LINE_WITH_VALUES = re.compile(
    r"^[ \t]*(Environment|Exec\w+|SetCredential\w*)[ \t]*=(?:\\\n(?:[ \t]*[#;][^\n]*\n)*|[^\n])*", re.MULTILINE
)
#: What has a name and a value: an assignment (also an option with one), an option with the next word, a header.
_NAMED_VALUE = re.compile(
    r"""(?<=[=\s"'?&])(?:-{0,2}(?P<set>[A-Za-z_][\w.-]*)=|--?(?P<option>[A-Za-z][\w.-]*)["']?\s+["']?(?!["']?-)|"""
    r"""(?P<header>[A-Za-z][\w-]*):\s)(?=(?P<value>[^\s"']*))"""
)


def masked_unit(text: str) -> str:
    """Return the text of a unit file without credentials, and the values of variables and options whose names speak of secrets.

    What follows such a value on its line is left out with it, so that no way to quote can show a part of it. The path of something that
    is there is no secret.
    """

    def mask(line: re.Match[str]) -> str:
        if line[1].startswith("SetCredential"):
            return f"{line[0].partition(':')[0]}:{MASK}"
        for named in _NAMED_VALUE.finditer(line[0]):
            name, value = named["set"] or named["option"] or named["header"], named["value"]
            is_path = line[1] != "Environment" and value.startswith("/") and os.path.exists(value)
            if SECRET_NAME.search(name) and not is_path:
                return f"{line[0][: named.end()]}{MASK}"
        return line[0]

    return masked(_LINE_WITH_VALUES.sub(mask, text))
