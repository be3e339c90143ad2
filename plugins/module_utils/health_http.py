# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a service answers over HTTP."""

from __future__ import annotations

import http.client
import threading
import urllib.error
import urllib.request
from typing import Any


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect is an answer of the service; whatever it points at is not this service."""

    def redirect_request(self, *_arguments: Any, **_keywords: Any) -> None:
        return None


def ask_http(url: str, timeout: float) -> str:
    """Ask once; return an empty string for a status below 400, else what was wrong.

    One wait on the socket lasts at most ``timeout`` seconds, and so, but for half a second, does the whole question: a server
    that sends a byte now and then cannot hold the run.
    """
    answers: list[str] = []
    asking = threading.Thread(target=lambda: answers.append(_ask(url, timeout)), daemon=True)
    asking.start()
    asking.join(timeout + 0.5)
    return answers[0] if answers else f"gave no whole answer within {timeout:.0f} s"


def _ask(url: str, timeout: float) -> str:
    opener = urllib.request.build_opener(_NoRedirect, urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=timeout) as answer:
            answer.read(1)
        return ""
    except urllib.error.HTTPError as error:
        return "" if error.code < 400 else f"answered with status {error.code}"
    except (OSError, http.client.HTTPException) as error:
        return str(getattr(error, "reason", error)) or type(error).__name__
