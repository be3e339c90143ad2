# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A scheduled job runs by its timer; one that fails is tried again a bounded number of times, and is then seen as failed."""

from __future__ import annotations

from support import wait_for

PERIOD = 6.0
"""Seconds between two calendar times of the jobs."""
REPORT = "a report is made"


def runs(node, unit, since):
    return node.records(since, f"_SYSTEMD_UNIT={unit}").count(REPORT)


def test_a_job_runs_by_its_timer(node):
    since, before = node.now(), node.show("report.timer", "LastTriggerUSec")

    def elapsed():
        return node.show("report.timer", "LastTriggerUSec") != before and runs(node, "report.service", since)

    wait_for("the timer elapses", elapsed, PERIOD + 3)
    wait_for("it is over", lambda: node.state("report.service") == "inactive")
    assert node.show("report.service", "Result") == ["success"]


def test_a_failing_job_is_retried_seen_as_failed_and_tried_at_its_next_time(node):
    unit = "broken-report.service"

    counted = []

    def gave_up(tries, since):
        # Counted here, before the state is asked for: on a slow machine the next calendar time may come in between.
        counted.append(runs(node, unit, since))
        return counted[-1] >= tries and node.state(unit) == "failed"

    since = node.now()
    wait_for("it gives up", lambda: gave_up(1, since), 4 * PERIOD + 3)
    for _round in range(2):
        since = node.now()
        wait_for(
            "it is tried at its next time, and gives up again", lambda since=since: gave_up(3, since), 4 * PERIOD + 3
        )
        assert counted[-1] == 3
        failed = node.run("systemctl list-units --failed --plain --no-legend").split()
        assert unit in failed
        assert "report.service" not in failed
