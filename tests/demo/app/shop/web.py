# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The web service: Flask under gunicorn."""

from __future__ import annotations

import os

from flask import Flask

app = Flask(__name__)


@app.get("/")
def index() -> str:
    """Say what this is."""
    return "The demo's shop: POST /orders/<mark> takes an order, GET /healthz tells whether it works.\n"


@app.get("/healthz")
def healthz() -> dict[str, int]:
    """Return the main process, so that who asks can tell a new one from the old one."""
    return {"main_pid": os.getppid()}


@app.post("/orders/<mark>")
def take_order(mark: str) -> dict[str, str]:
    """Take an order. It is logged the way many programs do it: by print() and nothing else."""
    print(f"order {mark} taken")
    return {"taken": mark}
