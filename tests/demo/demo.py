# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deploys a real application on a test host, ends its services again and again, and shows what happens."""

from __future__ import annotations

import argparse
import fcntl
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import stage
from common import HostsError, cache
from screen import Screen, table
from stage import DemoError
from verdicts import Event, Verdict, judge, times

INTRODUCTION = """\
What you will see: a shop made of Flask, gunicorn, httpx and Jinja, deployed on a Debian host with one playbook.
  web       its web service           killed six times running, each time as soon as it answers again
  worker    an asyncio worker         ends with exit status 0
  report    a scheduled job           runs every 20 seconds
  web-fast  the web service again, restarted after half a second
Controls, the same web service under units of the usual kind:
  web-bare     no Restart=
  web-limited  Restart=always, RestartSec=500ms, and systemd's own start limit"""

LOOK_INSIDE = """\
Look inside:
  tests/hosts/hosts exec demo -- systemctl status web worker report.timer web-fast web-bare web-limited
  tests/hosts/hosts exec demo -- journalctl -u web
  tests/hosts/hosts exec demo -- systemctl cat web
  tests/hosts/hosts exec demo -- bash
What was deployed:  tests/demo/inventory/group_vars/shop/
Remove the host:    tests/hosts/hosts down demo"""

GRACE = 5.0
"""Seconds that are waited for another demo to end."""

# Their kills come fast; the records of each would bury the rest.
_BRIEF = ("web-limited.service", "web-fast.service")


def _clock(seconds: float) -> str:
    return time.strftime("%H:%M:%S", time.gmtime(seconds)) + f".{int(seconds * 1000) % 1000:03d}"


def _came_back(event: Event) -> str:
    if event["seconds"] is None:
        return f"its process {event['pid']} is there, and does not answer yet"
    verb = "answers again" if event["unit"].startswith("web") else "is at work again"
    return (
        f"{verb} {event['seconds']:.2f} s later, at {_clock(event['died'] + event['seconds'])}, process {event['pid']}"
    )


def tell(screen: Screen, event: Event) -> None:
    """Print one event of the drills."""
    unit = f"{event['unit'].removesuffix('.service'):12}"
    journal = [f"journal: {line}" for line in event.get("journal", ())]
    if event["event"] == "killed":
        screen.say(f"{unit}killed (SIGKILL, no. {event['number']}) at {_clock(event['died'])}, process {event['pid']}")
    elif event["event"] == "told":
        screen.say(f"{unit}told to end (exit status 0) at {_clock(event['died'])}, process {event['pid']}")
    elif event["event"] == "comeback":
        shown = [] if event["unit"] in _BRIEF else journal
        screen.say(unit + screen.paint(_came_back(event), "good"), *shown)
    elif event["event"] == "gone":
        watched = f"did not come back, watched for {event['time'] - event['died']:.1f} s"
        if event.get("last_words") is False:
            journal.append("(what it printed just before is not there: it was still in a buffer)")
        screen.say(unit + screen.paint(watched, "bad"), *journal)
    elif "runs" in event:
        screen.say(f"{unit}ran {times(len(event['runs']))} meanwhile", *(f"journal: {line}" for line in event["runs"]))


def summarise(screen: Screen, verdicts: list[Verdict]) -> None:
    """Print the table of the summary and how to look inside."""
    rows = [
        (one.unit, one.done, one.happened, one.expected, "as expected" if one.met else "NOT AS EXPECTED")
        for one in verdicts
    ]
    print()
    for line in table(
        ("unit", "what was done", "what happened", "what was expected", "verdict"), rows, (11, 28, 34, 26, 15)
    ):
        print(line)
    missed = [one.unit for one in verdicts if not one.met]
    print()
    if missed:
        print(screen.paint(f"NOT as expected: {', '.join(missed)}", "bad"))
    else:
        print(screen.paint(f"All {len(verdicts)} expectations were met.", "good"))
    print(f"It took {time.monotonic() - screen.begun:.0f} s.\n\n{LOOK_INSIDE}", flush=True)


@contextmanager
def alone() -> Iterator[None]:
    """Hold this machine's one demo; the kernel lets go of it when the process dies.

    Raises:
        DemoError: another demo runs.
    """
    # One that was killed a moment ago may still be ending.
    deadline = time.monotonic() + GRACE
    folder = cache() / "locks"
    folder.mkdir(exist_ok=True)
    with open(folder / "demo", "w") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() > deadline:
                    raise DemoError("another demo runs on this machine; start again when it is over") from error
                time.sleep(0.1)
        yield


def demonstrate(screen: Screen) -> bool:
    """Run the whole demo and return whether every expectation was met."""
    print(INTRODUCTION, flush=True)
    stage.make_host(screen)
    stage.copy_application(screen)
    stage.deploy(screen, "Deploy the shop with the baseline")
    with screen.step("End its services on purpose, all drills side by side"):
        events = stage.drill(screen, lambda event: tell(screen, event))
    changed = stage.deploy(screen, "Deploy once more: after all this, nothing is left to do")
    verdicts = judge(events, changed)
    summarise(screen, verdicts)
    return all(one.met for one in verdicts)


def main() -> int:
    """Return 0 when every expectation was met, 1 when not, 2 when the demo could not be run, 130 when interrupted."""
    argparse.ArgumentParser(prog="tests/demo/run", description=__doc__).parse_args()
    try:
        with alone():
            return 0 if demonstrate(Screen()) else 1
    except (DemoError, HostsError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        # Who was reading has gone; the interpreter must not try to flush to it again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 2
    except KeyboardInterrupt:
        print("\ndemo: interrupted; start it again whenever you like, it begins anew", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
