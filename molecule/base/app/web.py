# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A web service: it tells which process answers, and with which release of click it runs."""

import importlib.metadata
import logging
import os
import sys

from flask import Flask

logging.basicConfig(stream=sys.stderr, level=logging.INFO)
CLICK = importlib.metadata.version("click")
logging.info("web is up: click %s, greeting %s", CLICK, os.environ.get("GREETING", "none"))
app = Flask(__name__)


@app.get("/healthz")
def healthz():
    return {"pid": os.getpid(), "click": CLICK}
