# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The scheduled job: writes a report of what the worker saw."""

from __future__ import annotations

import json
import os
from pathlib import Path

import jinja2

TEMPLATE = jinja2.Template("The web service answered {{ answered }} of {{ asked }} times.\n")


def main() -> None:
    """Write ``report.txt`` beside the worker's samples."""
    folder = Path(os.environ["STATE_DIRECTORY"])
    samples_file = folder / "samples.jsonl"
    # The first time may come before the worker's first look; the last line may be half written, for the worker is at work.
    lines = samples_file.read_text().split("\n")[:-1] if samples_file.exists() else []
    samples = [json.loads(line) for line in lines]
    text = TEMPLATE.render(answered=sum(sample["answered"] for sample in samples), asked=len(samples))
    (folder / "report.txt").write_text(text)
    print(f"report written: {text.strip()}")


if __name__ == "__main__":
    main()
