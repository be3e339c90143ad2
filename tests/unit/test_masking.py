# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Credentials are kept out of messages."""

from __future__ import annotations

import pytest
from ansible_collections.stability.baseline.plugins.module_utils.masked_units import masked_unit
from ansible_collections.stability.baseline.plugins.module_utils.masking import (
    SECRET_NAME,
    has_credentials,
    masked,
    masked_value,
    plain,
    secrets_in,
)


@pytest.mark.parametrize(
    ("address", "secrets"),
    [
        ("https://example.org/simple", set()),
        ("https://me:s3cret@example.org/simple", {"s3cret"}),
        ("https://me:s3%40cret@example.org", {"s3%40cret", "s3@cret"}),
        ("https://token-only@example.org", {"token-only"}),
        ("https://me:abc@example.org", set()),
        ("https://me:p@ss-word@example.org", {"p@ss-word"}),
        ("/opt/wheels@home", set()),
        ("https://me:pass'word@example.org", {"pass'word"}),
        ("https://example.org/s3cr3tT0k3nOf1t/python/simple/", set()),
        ("https://example.org/s3cr3tT0k3nOf1tsOwn/python/simple/", {"s3cr3tT0k3nOf1tsOwn"}),
        ("https://example.org/simple?key=s3cr3tT0k3nOf1tsOwn", {"s3cr3tT0k3nOf1tsOwn"}),
        ("https://example.org/a-long-name-of-a-team/simple", set()),
    ],
)
def test_secrets_of_an_address(address: str, secrets: set[str]) -> None:
    assert secrets_in([address]) == secrets


@pytest.mark.parametrize(
    ("address", "found"),
    [("https://u:p@example.org", True), ("https://example.org/a@b", False), ("/opt/wheels", False)],
)
def test_has_credentials(address: str, found: bool) -> None:
    assert has_credentials(address) is found


def test_addresses_and_secrets_are_masked() -> None:
    text = "Looking in https://me:s3cret@example.org/simple, http://token@x and s3cret, s3cretive"
    assert (
        masked(text, ["s3cret", "s3cretive"])
        == "Looking in https://****@example.org/simple, http://****@x and ****, ****"
    )


def test_texts_inside_a_value_are_masked() -> None:
    value = {"index_url": ["https://me:s3cret@example.org", 1], "https://t0ken@x": None}
    assert masked_value(value) == {"index_url": ["https://****@example.org", 1], "https://****@x": None}


def test_what_cannot_be_written_as_utf_8_is_shown_by_its_bytes() -> None:
    value = {"f\udcff": ["\ud800", ("a", 1)], "é": None}
    assert plain(value) == {"f\\xff": ["\\ud800", ["a", 1]], "é": None}


@pytest.mark.parametrize(
    ("name", "is_secret"),
    [
        *(("AUTHORISATION", True), ("HTTP_AUTHORIZATION", True), ("Proxy-Authorization", True), ("auth", True)),
        *(("AUTHOR", False), ("authors", False), ("AUTHORITY", False), ("COMPASS", True)),
    ],
)
def test_names_that_speak_of_secrets(name: str, is_secret: bool) -> None:
    assert bool(SECRET_NAME.search(name)) is is_secret


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("ExecStart=/bin/x --password s3cret --port 1", "ExecStart=/bin/x --password ********"),
        ('ExecStart=/bin/x "--password" "s3 cret"', 'ExecStart=/bin/x "--password" "********'),
        ("ExecStart=/bin/x --db-password=s3cret", "ExecStart=/bin/x --db-password=********"),
        ("ExecStartPre=-/bin/x -token s3cret", "ExecStartPre=-/bin/x -token ********"),
        ("ExecStart=/bin/x \\\n  --api-key s3cret \\\n  --port 1", "ExecStart=/bin/x \\\n  --api-key ********"),
        ("ExecStart=/bin/x TOKEN=s3cret", "ExecStart=/bin/x TOKEN=********"),
        (
            "ExecStart=/bin/x --header 'Authorization: Bearer s3cret'",
            "ExecStart=/bin/x --header 'Authorization: ********",
        ),
        ("ExecStart=/bin/x http://h/?token=s3cret", "ExecStart=/bin/x http://h/?token=********"),
        (
            "ExecStart=/bin/x --db postgres://me:s3cret@h/d --port 1",
            "ExecStart=/bin/x --db postgres://****@h/d --port 1",
        ),
        ('Environment="DB=postgres://me:s3cret@h/d"', 'Environment="DB=postgres://****@h/d"'),
        ("Environment=API_TOKEN=/usr", "Environment=API_TOKEN=********"),
        ("SetCredential=a:s3cret", "SetCredential=a:********"),
        # No secrets.
        ("ExecStart=/bin/x --keyfile /usr/lib --author me", "ExecStart=/bin/x --keyfile /usr/lib --author me"),
        ("ExecStart=/bin/x --no-password --port 1", "ExecStart=/bin/x --no-password --port 1"),
        ("Documentation=man:passwd(5) --password x", "Documentation=man:passwd(5) --password x"),
        ("ExecStart=/opt/keys/bin/run --port 1", "ExecStart=/opt/keys/bin/run --port 1"),
    ],
)
def test_a_unit_is_shown_without_secrets(line: str, shown: str) -> None:
    assert masked_unit(f"[Service]\n{line}\nUser=api\n") == f"[Service]\n{shown}\nUser=api\n"
