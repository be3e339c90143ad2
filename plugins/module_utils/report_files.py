# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a report: the earlier one is read, the new ones are written, each at once."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from typing import Any, Optional

from .problems import InvalidInput, Problem, show
from .report import Json, NoReport, check_report
from .report_formats import to_json, to_junit, to_sarif
from .report_html import html

#: What a report consists of, in the order in which it is written: the one that the next run compares with comes last.
FORMATS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "report.html": html,
    "report.xml": to_junit,
    "report.sarif": to_sarif,
    "report.json": to_json,
}

_OTHER_REPORT = "Name the report.json of an earlier audit"


def _loaded(path: str) -> object:
    with open(path, encoding="utf-8") as stream:
        try:
            return json.load(stream)
        except (ValueError, RecursionError):
            raise NoReport("it is no JSON") from None


def read_earlier(path: str, option: str) -> Json:
    """Return the report at ``path``; raises :class:`InvalidInput`, naming ``option``, for what is none."""
    try:
        return check_report(_loaded(path))
    except OSError as error:
        found = f"{show(path)} ({error.strerror})"
        raise _refused(option, found, "a report that can be read", _OTHER_REPORT) from None
    except NoReport as no_report:
        raise _refused(option, f"{show(path)} ({no_report})", "a report of the audit", _OTHER_REPORT) from None


def _refused(option: str, found: str, expected: str, remedy: str) -> InvalidInput:
    return InvalidInput([Problem(option, found, expected, remedy)])


def find_earlier(folder: str) -> tuple[Optional[Json], str]:
    """Return the report that an earlier audit left in ``folder``, and why it cannot be compared with, if it cannot."""
    path = os.path.join(folder, "report.json")
    if not os.path.lexists(path):
        return None, ""
    try:
        return read_earlier(path, "report_dir"), ""
    except InvalidInput as invalid:
        return None, f"Nothing is compared with the last audit. {invalid}"


def write_report(report: Mapping[str, Any], folder: str) -> list[str]:
    """Write all formats to ``folder``, which is made when it is missing, and return their paths.

    Raises :class:`InvalidInput` where the folder cannot be written.
    """
    try:
        os.makedirs(folder, exist_ok=True)
        return [_written(os.path.join(folder, name), form(report)) for name, form in FORMATS.items()]
    except OSError as error:
        found = f"{show(folder)} ({error.strerror})"
        raise _refused("report_dir", found, "a folder that can be written", "Choose another one") from None


def _written(path: str, text: str) -> str:
    staged = f"{path}.{os.getpid()}"
    try:
        with open(staged, "w", encoding="utf-8") as stream:
            stream.write(text)
        os.replace(staged, path)
    except OSError:
        if os.path.lexists(staged):
            os.unlink(staged)
        raise
    return path
