# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs on the demo's host as root: ends services on purpose and prints what happens, one JSON object a line.

Looking from inside the host costs 20 ms at most, where a look over SSH would cost several hundred.
Only the standard library of Debian's Python is used.
"""

from __future__ import annotations

import http.client
import json
import subprocess
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple

WEB_KILLS = 6
FAST_KILLS = 8
"""Kills of the fast service under the baseline, or as many as its control took, if that is more."""
MOST_FAST_KILLS = 20

POLL = 0.02
"""Seconds between two looks at the port."""
STATE_POLL = 0.25
"""Seconds between two questions to systemd."""
PATIENCE = 45.0
"""Seconds until a service counts as one that does not come back."""
HURRY = 1.0
"""Seconds from its start until a service of the fast drills is killed, also when it does not answer yet.

Five starts must fit into the ten seconds of systemd's own limit, on a slow machine too.
"""
PATIENT_KILLS = 6
"""How many kills of the fast drills wait that long; the further ones come as soon as the main process is there."""

TELLING = (
    "Main process exited",
    "Scheduled restart job",
    "Start request repeated too quickly",
    "Failed with result",
    "Deactivated successfully",
)
"""What systemd's own records are chosen by."""

_printing = threading.Lock()


class Target(NamedTuple):
    """A web service and the port where it answers."""

    unit: str
    port: int


class Comeback(NamedTuple):
    """How a unit came back: its new main process (0: it did not) and the time of its first answer (0: none)."""

    pid: int
    answered: float


NONE = Comeback(0, 0.0)


def emit(event: str, unit: str, **facts: Any) -> None:
    """Print one event; the time of it is part of it."""
    with _printing:
        print(json.dumps({"event": event, "unit": unit, "time": time.time(), **facts}), flush=True)


def run(*command: str) -> str:
    """Run a command that must succeed and return what it printed."""
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def state(unit: str) -> dict[str, str]:
    """Return what systemd says of a unit."""
    names = "ActiveState,SubState,Result,MainPID,NRestarts"
    return dict(line.split("=", 1) for line in run("systemctl", "show", "-p", names, unit).splitlines())


def asked(port: int, method: str, path: str) -> dict[str, Any] | None:
    """Ask a web service once; return its answer, or None when there was none."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return json.loads(answer.read()) if answer.status == 200 else None
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def answering_pid(port: int) -> int:
    """Return the main process of the web service that answers at a port; 0 for none."""
    answer = asked(port, "GET", "/healthz")
    # A gunicorn worker that outlives its main process for a moment has process 1 for its parent.
    return answer["main_pid"] if answer and answer["main_pid"] != 1 else 0


def records(unit: str, since: float) -> list[dict[str, Any]]:
    """Return the records of a unit, and of systemd about it, from a time on."""
    run("journalctl", "--sync")
    lines = run("journalctl", "--quiet", "--output=json", f"--since=@{since:.6f}", f"--unit={unit}").splitlines()
    return [json.loads(line) for line in lines]


def shown(record: dict[str, Any]) -> str:
    """Return a record the way journalctl shows it, with milliseconds."""
    seconds = int(record["__REALTIME_TIMESTAMP"]) / 1e6
    clock = time.strftime("%H:%M:%S", time.localtime(seconds)) + f".{int(seconds * 1000) % 1000:03d}"
    return f"{clock} {record.get('SYSLOG_IDENTIFIER', '?')}[{record.get('_PID', '?')}]: {record['MESSAGE']}"


def excerpt(unit: str, since: float, pid: int, mark: str = "") -> list[str]:
    """Return the telling records: of systemd, the first of process ``pid``, and those with ``mark``."""
    chosen = []
    spoken = False
    for record in records(unit, since):
        text = str(record["MESSAGE"])
        first = record.get("_PID") == str(pid) and not spoken
        spoken = spoken or first
        of_systemd = record.get("_PID") == "1" and any(phrase in text for phrase in TELLING)
        if of_systemd or first or (mark and mark in text):
            chosen.append(shown(record))
    return chosen


def wait_for_comeback(target: Target, old_pid: int, enough: float = PATIENCE) -> Comeback:
    """Wait until another main process than ``old_pid`` answers, or systemd has given up.

    A main process that is there for ``enough`` seconds is enough, also when it does not answer.
    """
    begun = time.monotonic()
    next_question = begun
    seen_pid, seen_at = 0, 0.0
    while (now := time.monotonic()) - begun < PATIENCE:
        pid = answering_pid(target.port)
        if pid not in (0, old_pid):
            return Comeback(pid, time.time())
        if now >= next_question:
            next_question = now + STATE_POLL
            found = state(target.unit)
            if found["ActiveState"] in ("failed", "inactive"):
                return NONE
            if int(found["MainPID"]) not in (0, old_pid, seen_pid):
                seen_pid, seen_at = int(found["MainPID"]), now
        if seen_pid and now - seen_at >= enough:
            return Comeback(seen_pid, 0.0)
        time.sleep(POLL)
    return NONE


def wait_until_over(target: Target, over: threading.Event) -> Comeback:
    """Watch a web service that is not expected back until the other drills are over."""
    while not over.wait(STATE_POLL):
        if pid := answering_pid(target.port):
            return Comeback(pid, time.time())
    return NONE


def kill(target: Target, number: int, pid: int, wait: Callable[[], Comeback]) -> Comeback:
    """Kill all processes of a web service a moment after it took an order; report how it came back."""
    mark = f"{target.unit.removesuffix('.service')}-{number}"
    began = time.time()
    taken = asked(target.port, "POST", f"/orders/{mark}") is not None
    died = time.time()
    run("systemctl", "kill", "--signal=KILL", target.unit)
    emit("killed", target.unit, number=number, died=died, pid=pid)
    back = wait()
    lines = excerpt(target.unit, began, back.pid, mark)
    emit(
        "comeback" if back.pid else "gone",
        target.unit,
        number=number,
        died=died,
        pid=back.pid,
        seconds=back.answered - died if back.answered else None,
        # The last thing that the process printed before it was killed; None when it had not got so far.
        last_words=any(f"order {mark} taken" in line for line in lines) if taken else None,
        journal=lines,
    )
    return back


def kill_web(target: Target) -> None:
    """Kill the web service six times, each time as soon as it answers again."""
    pid = answering_pid(target.port)
    for number in range(1, WEB_KILLS + 1):
        pid = kill(target, number, pid, partial(wait_for_comeback, target, pid)).pid
        if not pid:
            return


def kill_fast(target: Target, times: int) -> int:
    """Kill a web service that is restarted at once, at most ``times`` times; return after how many kills this ended."""
    pid = answering_pid(target.port)
    for number in range(1, times + 1):
        enough = HURRY if number <= PATIENT_KILLS else 0.0
        pid = kill(target, number, pid, partial(wait_for_comeback, target, pid, enough)).pid
        if not pid:
            return number
    return times


def wait_for_record(unit: str, old_pid: int, since: float) -> Comeback:
    """Wait until another main process than ``old_pid`` has written its first record."""
    begun = time.monotonic()
    while time.monotonic() - begun < PATIENCE:
        pid = int(state(unit)["MainPID"])
        if pid not in (0, old_pid):
            for record in records(unit, since):
                if record.get("_PID") == str(pid):
                    return Comeback(pid, int(record["__REALTIME_TIMESTAMP"]) / 1e6)
        time.sleep(STATE_POLL)
    return NONE


def end_worker(unit: str) -> None:
    """Tell the worker to end, which it does with exit status 0; report how it came back."""
    pid = int(state(unit)["MainPID"])
    died = time.time()
    run("systemctl", "kill", "--signal=USR1", unit)
    emit("told", unit, number=1, died=died, pid=pid)
    back = wait_for_record(unit, pid, died)
    emit(
        "comeback" if back.pid else "gone",
        unit,
        number=1,
        died=died,
        pid=back.pid,
        seconds=back.answered - died if back.answered else None,
        journal=excerpt(unit, died, back.pid, "told to end"),
    )


def start(target: Target) -> None:
    """Start a web service and wait until it answers."""
    run("systemctl", "start", target.unit)
    if not wait_for_comeback(target, 0).pid:
        raise SystemExit(f"{target.unit} does not answer at port {target.port}")


def fast_drills(limited: Target, baseline: Target) -> None:
    """The same treatment for both, one after the other: side by side they would take the processor from each other."""
    start(limited)
    kills = kill_fast(limited, MOST_FAST_KILLS)
    kill_fast(baseline, max(kills, FAST_KILLS))
    wait_for_comeback(baseline, 0)


def job_runs(unit: str, since: float) -> list[str]:
    """Return what the runs of the scheduled job printed since a time, one record a run."""
    return [shown(record) for record in records(unit, since) if "report written" in str(record["MESSAGE"])]


def drill_all(web: Target, bare: Target, limited: Target, fast: Target) -> None:
    """Run all drills side by side."""
    over = threading.Event()
    with ThreadPoolExecutor() as pool:
        watching = pool.submit(kill, bare, 1, answering_pid(bare.port), partial(wait_until_over, bare, over))
        running = [
            pool.submit(kill_web, web),
            pool.submit(end_worker, "worker.service"),
            pool.submit(fast_drills, limited, fast),
        ]
        try:
            for drill in running:
                drill.result()
        finally:
            over.set()
        watching.result()


def main() -> None:
    """Drill, then report how everything stands."""
    web, bare = Target("web.service", 8000), Target("web-bare.service", 8001)
    limited, fast = Target("web-limited.service", 8002), Target("web-fast.service", 8003)
    began = time.time()
    run("systemctl", "daemon-reload")
    start(bare)
    drill_all(web, bare, limited, fast)
    for target in (web, bare, limited, fast):
        emit("end", target.unit, answers=bool(answering_pid(target.port)), **state(target.unit))
    emit("end", "worker.service", **state("worker.service"))
    emit("end", "report.service", runs=job_runs("report.service", began), **state("report.service"))


if __name__ == "__main__":
    main()
