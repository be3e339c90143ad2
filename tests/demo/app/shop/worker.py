# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The worker: asks the web service once a second and keeps what it saw; SIGUSR1 ends it with exit status 0."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import time
from contextlib import suppress
from pathlib import Path

import httpx

LOG = logging.getLogger("worker")
INTERVAL = 1.0
"""Seconds between two looks."""


async def _look(client: httpx.AsyncClient, url: str, samples: Path) -> None:
    try:
        answered = (await client.get(url)).is_success
    except httpx.TransportError as error:
        LOG.warning("%s does not answer: %s", url, error)
        answered = False
    with samples.open("a") as lines:
        lines.write(json.dumps({"time": time.time(), "answered": answered}) + "\n")


async def work(url: str, samples: Path) -> None:
    """Look at ``url`` until told to end."""
    told_to_end = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, told_to_end.set)
    LOG.info("looking at %s every %.0f s", url, INTERVAL)
    async with httpx.AsyncClient(timeout=INTERVAL, trust_env=False) as client:
        while not told_to_end.is_set():
            await _look(client, url, samples)
            with suppress(TimeoutError):
                await asyncio.wait_for(told_to_end.wait(), INTERVAL)
    LOG.info("told to end: exit status 0")


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    # A line for each request of the client library would hide what the worker itself says.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    asyncio.run(work(os.environ["SHOP_URL"], Path(os.environ["STATE_DIRECTORY"], "samples.jsonl")))
