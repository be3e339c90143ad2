# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A worker on asyncio that does what it is told on a port of its own; ``order.py`` tells it.

``ping`` answers with its process id, ``exit N`` ends it with status N, ``allocate N`` takes N MiB and keeps them,
``say TEXT`` prints the text and logs it, ``die N TEXT`` prints N numbered lines and is then killed at once.
"""

import asyncio
import logging
import os
import signal
import sys
from pathlib import Path

taken = []


def secret():
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    return Path(folder, "secret").read_text().strip() if folder else "none"


def die(count, text):
    for number in range(int(count)):
        print(f"{text} {number}")
    os.kill(os.getpid(), signal.SIGKILL)


def obey(verb, rest, ending):
    if verb == "exit":
        ending.set_result(int(rest))
    elif verb == "allocate":
        taken.append(b"x" * (int(rest) << 20))
    elif verb == "say":
        print(f"{rest}, printed")
        logging.info("%s, logged", rest)
    elif verb == "die":
        die(*rest.split(" ", 1))


async def main():
    ending = asyncio.get_running_loop().create_future()

    async def hear(reader, writer):
        verb, _space, rest = (await reader.readline()).decode().strip().partition(" ")
        obey(verb, rest, ending)
        writer.write(f"{os.getpid()}\n".encode())
        writer.close()

    async with await asyncio.start_server(hear, "127.0.0.1", int(os.environ["PORT"])):
        logging.info("worker is up: colour %s, secret %s", os.environ.get("COLOUR", "none"), secret())
        return await ending


logging.basicConfig(stream=sys.stderr, level=logging.INFO)
sys.exit(asyncio.run(main()))
