# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps credentials out of what people and logs can read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import unquote

_HIDDEN = "****"
#: The part between ``//`` and ``@`` of an address (RFC 3986, "userinfo").
_USER_INFO = re.compile(r"(?<=://)[^\s/?#]+@")
_WORDS = re.compile(r"[^/?#&=]+")
#: Sixteen characters or more, letters and digits among them.
_TOKEN = re.compile(r"(?=.*[A-Za-z])(?=.*[0-9])[\w.~%+-]{16,}\Z")
#: Names of variables and options that speak of a secret.
SECRET_NAME = re.compile(
    r"PASS|PWD|PSW|SECRET|TOKEN|KEY|CREDENTIAL|AUTH(?!OR)|AUTHORI[SZ]ATION|SALT|HMAC|BEARER|JWT|COOKIE|WEBHOOK|DSN|_URL|_URI",
    re.IGNORECASE,
)
#: A shorter secret would hide half of every message, and is none.
_SHORTEST_SECRET = 4


def has_credentials(address: str) -> bool:
    """Whether the address (a URL) has a user or password in it."""
    return _USER_INFO.search(address) is not None


def secrets_in(addresses: Iterable[str]) -> frozenset[str]:
    """Return the secrets in ``addresses`` (URLs), as written and decoded: the password, or a user that stands alone.

    So is a part of the path, or a value of the query, that looks like a token: some services give each customer an index of its own.
    """
    found = set()
    for address in addresses:
        found |= {word for word in _WORDS.findall(address.partition("://")[2].partition("/")[2]) if _TOKEN.match(word)}
        match = _USER_INFO.search(address)
        if match is None:
            continue
        user, colon, password = match.group()[:-1].partition(":")
        secret = password if colon else user
        found |= {secret, unquote(secret)}
    return frozenset(secret for secret in found if len(secret) >= _SHORTEST_SECRET)


def masked(text: str, secrets: Iterable[str] = ()) -> str:
    """Return ``text`` without the user information of any address in it and without ``secrets``."""
    text = _USER_INFO.sub(f"{_HIDDEN}@", text)
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, _HIDDEN)
    return text


def masked_value(value: object) -> object:
    """Return ``value`` with every text in its lists and mappings masked."""
    if isinstance(value, str):
        return masked(value)
    if isinstance(value, Mapping):
        return {masked(str(key)): masked_value(member) for key, member in value.items()}
    if isinstance(value, (list, tuple)):
        return [masked_value(member) for member in value]
    return value


def plain(value: Any) -> Any:
    """Return ``value`` with every text such that it can be written as UTF-8: other bytes of a name are shown as ``\\xff``."""
    if isinstance(value, str):
        with suppress(UnicodeEncodeError):
            return value.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, Mapping):
        return {plain(key): plain(member) for key, member in value.items()}
    return [plain(member) for member in value] if isinstance(value, (list, tuple)) else value
