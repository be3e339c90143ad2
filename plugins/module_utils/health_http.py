# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a service answers over HTTP."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from typing import Any


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect is an answer of the service; whatever it points at is not this service."""

    def redirect_request(self, *_arguments: Any, **_keywords: Any) -> None:
        return None


def ask_http(url: str, timeout: float) -> str:
    """Ask once, for at most ``timeout`` seconds; return an empty string for a status below 400, else what was wrong."""
    opener = urllib.request.build_opener(_NoRedirect, urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=timeout) as answer:
            answer.read(1)
        return ""
    except urllib.error.HTTPError as error:
        return "" if error.code < 400 else f"answered with status {error.code}"
    except (OSError, http.client.HTTPException) as error:
        return str(getattr(error, "reason", error)) or type(error).__name__
