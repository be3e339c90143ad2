# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the demo prints: lines with the seconds since its start, steps that show that they are alive, a table."""

from __future__ import annotations

import os
import sys
import textwrap
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

HEARTBEAT = 10.0
"""Seconds without a word after which a step says that it is still at work."""

_COLOURS = {"good": "\033[32m", "bad": "\033[31m", "head": "\033[1m", "dim": "\033[2m"}
_RESET = "\033[0m"


class Screen:
    """Standard output, shared by threads. Colours only on a terminal, and not with ``NO_COLOR`` set."""

    def __init__(self) -> None:
        self.begun = time.monotonic()
        self.coloured = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        self.last = self.begun
        self._lock = threading.Lock()

    def paint(self, text: str, colour: str) -> str:
        """Return the text in a colour (``good``, ``bad``, ``head``, ``dim``), plain where there are none."""
        return f"{_COLOURS[colour]}{text}{_RESET}" if self.coloured else text

    def say(self, text: str, *details: str) -> None:
        """Print a line with the seconds since the start, and its details below, which no other line comes between."""
        with self._lock:
            self.last = time.monotonic()
            clock = self.paint(f"[{self.last - self.begun:6.1f} s]", "dim")
            print("\n".join([f"{clock} {text}", *(f"{'':10}   {line}" for line in details)]), flush=True)

    def title(self, text: str) -> None:
        """Print a headline."""
        self.say(self.paint(text, "head"))

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Print a headline, a line whenever nothing was said for ``HEARTBEAT`` seconds, and how long it took."""
        begun = time.monotonic()
        self.title(f"{title} ...")
        over = threading.Event()

        def beat() -> None:
            while not over.wait(1):
                if time.monotonic() - self.last >= HEARTBEAT:
                    self.say(f"... still at it: {title}")

        beating = threading.Thread(target=beat, daemon=True)
        beating.start()
        try:
            yield
        finally:
            over.set()
            beating.join()
        self.say(f"done in {time.monotonic() - begun:.1f} s")


def table(head: Sequence[str], rows: Sequence[Sequence[str]], widths: Sequence[int]) -> list[str]:
    """Return the lines of a table whose cells are wrapped to ``widths`` characters."""
    lines = []
    for row in (head, ["-" * width for width in widths], *rows):
        cells = [textwrap.wrap(cell, width) or [""] for cell, width in zip(row, widths, strict=True)]
        for index in range(max(len(cell) for cell in cells)):
            parts = [cell[index] if index < len(cell) else "" for cell in cells]
            lines.append("  ".join(part.ljust(width) for part, width in zip(parts, widths, strict=True)).rstrip())
    return lines
