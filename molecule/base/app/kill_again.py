# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kill the main process of a unit, each time as soon as it is back: ``kill_again.py UNIT TIMES``.

It prints how often the unit came back, and the seconds that this took. A unit that is not back after three seconds is given up.
"""

import os
import signal
import subprocess
import sys
import time

PATIENCE = 3.0


def main_pid(unit):
    shown = subprocess.run(
        ["systemctl", "show", "-p", "MainPID", "--value", unit], capture_output=True, text=True, check=True
    )
    return int(shown.stdout)


def comes_back(unit, before):
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if main_pid(unit) not in (0, before):
            return True
        time.sleep(0.02)
    return False


def main():
    unit, times = sys.argv[1], int(sys.argv[2])
    begun = time.monotonic()
    count = 0
    back = True
    while back and count < times:
        pid = main_pid(unit)
        os.kill(pid, signal.SIGKILL)
        back = comes_back(unit, pid)
        count += back
    print(count, f"{time.monotonic() - begun:.2f}")


main()
