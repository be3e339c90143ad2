# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The first deployment: check mode said before what it would do, on a host that was never deployed to."""

from __future__ import annotations

from support import runs


def test_check_mode_said_what_the_first_run_did():
    said, done, again = (run for run in runs() if run.playbook == "converge.yml")
    assert (said.check, done.check, again.check) == (True, False, False)
    assert said.announced() == done.announced()
    assert any(": first start by the baseline" in action for action in done.all("actions"))
    assert (again.changed, again.all("actions")) == (False, [])
