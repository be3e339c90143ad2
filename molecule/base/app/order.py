# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell the worker of a unit what to do, and print the process id that it answers with: ``order.py UNIT VERB...``.

The status is 0 when it answered, 1 when its process ended before it could, 2 when nobody listens there.
"""

import socket
import subprocess
import sys
from pathlib import Path


def port(unit):
    shown = subprocess.run(
        ["systemctl", "show", "-p", "MainPID", "--value", unit], capture_output=True, text=True, check=True
    )
    variables = Path("/proc", shown.stdout.strip(), "environ").read_bytes().split(b"\0")
    return next(int(line.partition(b"=")[2]) for line in variables if line.startswith(b"PORT="))


def main():
    try:
        connection = socket.create_connection(("127.0.0.1", port(sys.argv[1])), timeout=5)
    except (OSError, StopIteration):
        return 2
    with connection:
        connection.sendall((" ".join(sys.argv[2:]) + "\n").encode())
        try:
            answer = connection.recv(100)
        except ConnectionError:
            answer = b""
    print(answer.decode().strip())
    return 0 if answer else 1


sys.exit(main())
