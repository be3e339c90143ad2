# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs on a test host as a service: does what its argument says, writes what it finds into its state directory, and stays up.

It needs nothing but Python 3.9.
"""

from __future__ import annotations

import ctypes
import errno
import grp
import json
import os
import pwd
import resource
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

STATE = os.environ.get("STATE_DIRECTORY", "").split(":")[0]
SYS_MODULE = 1 << 16


def attempt(act: Callable[[], object]) -> str:
    """Return ``ok``, or the name of the error."""
    try:
        act()
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, str(error))
    return "ok"


def write(path: str) -> None:
    """Make a file and remove it."""
    with open(path, "w", encoding="utf-8"):
        pass
    os.unlink(path)


def read(path: str) -> str:
    with open(path, encoding="utf-8") as stream:
        return stream.read()


def keep(name: str, found: object) -> None:
    """Write what was found, whole or not at all."""
    with open(f"{STATE}/{name}.new", "w", encoding="utf-8") as stream:
        json.dump(found, stream)
    os.rename(f"{STATE}/{name}.new", f"{STATE}/{name}")


def startable_threads() -> int:
    """Return how many threads can be started, up to thirty."""
    done = threading.Event()
    threads: list[threading.Thread] = []
    try:
        while len(threads) < 30:
            thread = threading.Thread(target=done.wait)
            thread.start()
            threads.append(thread)
    except RuntimeError:
        pass
    done.set()
    return len(threads)


def remember(number: int, _frame: object) -> None:
    """Write down a signal; end on the one that systemd was told to send."""
    with open(f"{STATE}/signals", "a", encoding="utf-8") as stream:
        stream.write(signal.Signals(number).name + "\n")
    if number != signal.SIGHUP:
        sys.exit(0)


def facts() -> None:
    """Write down what the process was started with."""
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, remember)
    folder = os.environ["CREDENTIALS_DIRECTORY"]
    with open(f"{STATE}/mine", "w", encoding="utf-8"):
        pass
    places = [*os.environ["STATE_DIRECTORY"].split(":"), os.environ["RUNTIME_DIRECTORY"]]
    found: dict[str, Any] = {
        **os.environ,
        "user": pwd.getpwuid(os.getuid()).pw_name,
        "group": grp.getgrgid(os.getgid()).gr_name,
        "mode": oct(os.stat(f"{STATE}/mine").st_mode & 0o777),
        "folder": os.getcwd(),
        "credentials": {name: read(f"{folder}/{name}") for name in os.listdir(folder)},
        "source": attempt(lambda: read("/opt/keys/token")),
        "writable": [attempt(lambda place=place: write(f"{place}/x")) == "ok" for place in places],
        "files": resource.getrlimit(resource.RLIMIT_NOFILE),
        "nice": os.nice(0),
        "tmp": os.path.exists("/tmp/keys-of-the-host"),
        "threads": startable_threads(),
    }
    print("the process ran")
    keep("facts.json", found)


def libc(name: str, *arguments: object) -> None:
    library = ctypes.CDLL(None, use_errno=True)
    if getattr(library, name)(*arguments) == -1:
        raise OSError(ctypes.get_errno(), name)


def child(*argv: str) -> int:
    return subprocess.run(argv, stderr=subprocess.DEVNULL, check=False).returncode


def attempts() -> None:
    """Try what a sandbox may deny."""
    own = f"{STATE}/own"
    with open(own, "w", encoding="utf-8"):
        pass
    status = dict(line.split(":", 1) for line in read("/proc/self/status").splitlines())
    bounding = int(status["CapBnd"], 16)
    hierarchy = "/sys/fs/cgroup/systemd" if os.path.isdir("/sys/fs/cgroup/systemd") else "/sys/fs/cgroup"
    swapoff = "import ctypes; ctypes.CDLL(None).swapoff(b'/nowhere')"
    rename = "import socket; socket.sethostname(socket.gethostname())"
    found = {
        "usr": attempt(lambda: write("/usr/keys-attempt")),
        "etc": attempt(lambda: write("/etc/keys-attempt")),
        "srv": attempt(lambda: write("/srv/keys-attempt")),
        "home": attempt(lambda: os.listdir("/home")),
        "tmp": os.path.exists("/tmp/keys-of-the-host"),
        "device": attempt(lambda: read("/dev/keys-device")),
        "setuid": attempt(lambda: os.chmod(own, 0o4755)),
        "tunables": attempt(lambda: os.close(os.open("/proc/sys/net/ipv4/ip_forward", os.O_WRONLY))),
        "cgroup": bool(os.statvfs(hierarchy).f_flag & os.ST_RDONLY),
        "privileges": status["NoNewPrivs"].strip(),
        "capabilities": bounding != 0,
        "modules": bool(bounding & SYS_MODULE),
        "namespaces": child("unshare", "--net", "true"),
        "packet": attempt(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW).close()),
        "personality": attempt(lambda: libc("personality", 8)),
        # The kernel ends a process for a filtered call.
        "swap": child(sys.executable, "-c", swapoff),
        "hostname": child(sys.executable, "-c", rename),
    }
    keep("attempts.json", found)


def notify() -> None:
    """Tell systemd that the service is ready, and nothing after that (sd_notify(3))."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.sendto(b"READY=1", os.environ["NOTIFY_SOCKET"].replace("@", "\0", 1))


def stubborn() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def flood() -> None:
    """Print two thousand lines at once."""
    for number in range(2000):
        print("line", number)


if __name__ == "__main__":
    {"facts": facts, "attempts": attempts, "notify": notify, "stubborn": stubborn, "flood": flood}[sys.argv[1]]()
    while True:
        signal.pause()
