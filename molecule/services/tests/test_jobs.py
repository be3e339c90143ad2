# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A scheduled job runs by its timer; one that fails is tried again a bounded number of times, and is then seen as failed."""

from __future__ import annotations

from itertools import pairwise

from support import wait_for

PERIOD = 6.0
"""Seconds between two calendar times of the jobs."""
REPORT = "a report is made"
GAVE_UP = "Start request repeated too quickly"


def listed_as_failed(node):
    return node.run("systemctl list-units --failed --plain --no-legend").split()


def test_a_job_runs_by_its_timer(node):
    since, before = node.now(), node.show("report.timer", "LastTriggerUSec")

    def elapsed():
        made = REPORT in node.records(since, "SYSLOG_IDENTIFIER=report")
        return made and node.show("report.timer", "LastTriggerUSec") != before

    wait_for("the timer elapses", elapsed, PERIOD + 3)
    wait_for("it is over", lambda: node.state("report.service") == "inactive")
    assert node.show("report.service", "Result") == ["success"]


def test_a_failing_job_is_retried_seen_as_failed_and_tried_at_its_next_time(node):
    unit, since = "broken-report.service", node.now()

    def rounds():
        """Return how often each round has tried, from the journal: a slow machine looks too late at the state itself."""
        told = node.records(since, "SYSLOG_IDENTIFIER=broken-report", "+", f"UNIT={unit}")
        ends = [number for number, text in enumerate(told) if GAVE_UP in text]
        return [told[begin:end].count(REPORT) for begin, end in pairwise([0, *ends])]

    # The first of the rounds may have begun before.
    found = wait_for("it gives up three times", lambda: rounds()[2:] and rounds(), 15 * PERIOD)
    assert found[1:3] == [3, 3]
    wait_for("it is seen as failed", lambda: unit in listed_as_failed(node), 2 * PERIOD)
    assert "report.service" not in listed_as_failed(node)
