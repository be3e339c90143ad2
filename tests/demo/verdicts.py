# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was expected of each unit, and whether the events of the drills meet it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from drill import WEB_KILLS

Event = dict[str, Any]

GIVEN_UP = "Start request repeated too quickly"
EXIT_0 = "Deactivated successfully"


def times(count: int) -> str:
    """Return how often something happened, as a phrase."""
    return {0: "never", 1: "once"}.get(count, f"{count} times")


@dataclass(frozen=True)
class Verdict:
    """One line of the summary; ``met`` says whether what happened is what was expected."""

    unit: str
    done: str
    happened: str
    expected: str
    met: bool


class Story:
    """The events of one unit."""

    def __init__(self, events: Sequence[Event], unit: str) -> None:
        own = [event for event in events if event["unit"] == unit]
        self.unit = unit
        self.kills = [event for event in own if event["event"] in ("killed", "told")]
        self.ends = [event for event in own if event["event"] in ("comeback", "gone")]
        self.comebacks = [event for event in own if event["event"] == "comeback"]
        self.final: Event = next((event for event in own if event["event"] == "end"), {})
        self.journal = "\n".join(line for event in self.ends for line in event["journal"])

    @property
    def active(self) -> bool:
        """Whether the unit was up when all drills were over."""
        return self.final.get("ActiveState") == "active"

    @property
    def answers(self) -> bool:
        """Whether the web service answered when all drills were over."""
        return bool(self.final.get("answers"))

    def spoke_last(self) -> int:
        """Return how often the journal holds what the service printed just before it was killed."""
        return sum(event["last_words"] is True for event in self.ends)

    def seconds(self) -> str:
        """Return how long it took to answer again, as a phrase."""
        values = sorted(event["seconds"] for event in self.comebacks if event["seconds"] is not None)
        if not values:
            return "never"
        return f"after {values[0]:.1f} s" if len(values) == 1 else f"after {values[0]:.1f} to {values[-1]:.1f} s"


def judge_web(events: Sequence[Event]) -> Verdict:
    """The web service under the baseline comes back every time, and the journal has its last words."""
    story = Story(events, "web.service")
    back = [event for event in story.comebacks if event["seconds"] is not None]
    met = len(story.kills) == len(back) == story.spoke_last() == WEB_KILLS and story.active and story.answers
    return Verdict(
        "web",
        f"SIGKILL as soon as it answers, again and again: {times(len(story.kills))}",
        f"answered again: {times(len(back))}{f', {story.seconds()}' if back else ''}; "
        f"its last print() before the kill is in the journal {times(story.spoke_last())}",
        f"comes back {WEB_KILLS} times and answers; every last record is in the journal",
        met,
    )


def judge_worker(events: Sequence[Event]) -> Verdict:
    """The worker under the baseline comes back after exit status 0."""
    story = Story(events, "worker.service")
    ended_well = EXIT_0 in story.journal
    return Verdict(
        "worker",
        "told to end: exit status 0",
        f"ended {'with exit status 0' if ended_well else 'in another way'}, at work again {story.seconds()}",
        "comes back, though it ended well",
        ended_well and len(story.comebacks) == 1 and story.active,
    )


def judge_report(events: Sequence[Event]) -> Verdict:
    """The scheduled job runs at its times."""
    final = Story(events, "report.service").final
    runs, result = len(final.get("runs", [])), final.get("Result", "unknown")
    return Verdict(
        "report",
        "left to its timer: every 20 s",
        f"ran {times(runs)} while the others were killed; last result: {result}",
        "runs at its times",
        runs >= 1 and result == "success",
    )


def judge_bare(events: Sequence[Event]) -> Verdict:
    """Control: the bare unit stays dead, and its last words are lost."""
    story = Story(events, "web-bare.service")
    watched = story.ends[0]["time"] - story.ends[0]["died"] if story.ends else 0.0
    lost = len(story.ends) == 1 and story.ends[0]["last_words"] is False
    return Verdict(
        "web-bare",
        "control, a unit without Restart=: SIGKILL, once",
        f"{'came back' if story.comebacks else 'stayed dead'}, watched for {watched:.0f} s; "
        f"its last print() {'is lost' if lost else 'was not lost'}",
        "stays dead; what it printed last is lost",
        len(story.kills) == 1 and not story.comebacks and lost and story.final.get("ActiveState") == "failed",
    )


def judge_limited(events: Sequence[Event]) -> Verdict:
    """Control: systemd gives up under its own start limit."""
    story = Story(events, "web-limited.service")
    given_up = GIVEN_UP in story.journal
    return Verdict(
        "web-limited",
        f"control, Restart=always, RestartSec=500ms, systemd's own limit: SIGKILL, {times(len(story.kills))}",
        f"came back {times(len(story.comebacks))}, then {'given up' if given_up else 'not given up'}; "
        f"in the end {story.final.get('ActiveState', 'unknown')}",
        "given up: 'Start request repeated too quickly'",
        given_up and bool(story.comebacks) and story.final.get("ActiveState") == "failed" and not story.answers,
    )


def judge_fast(events: Sequence[Event]) -> Verdict:
    """The baseline with the same delay is never given up, though it is killed at least as often."""
    story, control = Story(events, "web-fast.service"), Story(events, "web-limited.service")
    given_up = GIVEN_UP in story.journal
    as_often = len(story.kills) >= len(control.kills) > 0
    return Verdict(
        "web-fast",
        f"the baseline with restart_sec: 500ms: SIGKILL, {times(len(story.kills))}, as fast",
        f"came back {times(len(story.comebacks))}; in the end it {'answers' if story.answers else 'does not answer'}",
        "comes back every time, is never given up",
        as_often and len(story.kills) == len(story.comebacks) and not given_up and story.active and story.answers,
    )


def judge_second_run(changed: int) -> Verdict:
    """A second deployment, after all that, changes nothing."""
    return Verdict(
        "(playbook)",
        "stability.baseline.apply once more, after all this",
        f"changed={changed}",
        "changed=0",
        changed == 0,
    )


def judge(events: Sequence[Event], changed: int) -> list[Verdict]:
    """Return the lines of the summary; ``changed`` is what the second deployment changed."""
    judges = (judge_web, judge_worker, judge_report, judge_fast, judge_bare, judge_limited)
    return [*(one(events) for one in judges), judge_second_run(changed)]
