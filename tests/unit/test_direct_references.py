# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Direct references, and where an installed distribution came from."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.stability.baseline.plugins.module_utils.direct_references import (
    DirectUrl,
    needs_hash,
    parse_reference,
    read_direct_url,
    same_origin,
)

A, B = "a" * 64, "b" * 64
WHEEL = "https://example.org/f/one-1.0-py3-none-any.whl"


@pytest.mark.parametrize(
    ("url", "version", "needs"),
    [
        (WHEEL, "1.0", True),
        ("http://example.org/one-1.0.post1-2-cp311-cp311-manylinux1_x86_64.whl?x=1", "1.0.post1", True),
        ("https://example.org/One-2.0%2Bcpu-py3-none-any.whl", "2.0+cpu", True),
        ("https://example.org/one-1.0.tar.gz", "1.0", True),
        ("file:///opt/wheels/one-1.0-py3-none-any.whl", "1.0", False),
        ("file:///opt/wheels/one-1.0.zip", "1.0", True),
    ],
)
def test_the_name_of_the_file_says_the_version(url: str, version: str, needs: bool) -> None:
    reference = parse_reference("one", f"{url}#sha256={A.upper()}")
    assert (reference.version, reference.hashes) == (version, {f"sha256:{A}"})
    assert needs_hash(url) is needs


@pytest.mark.parametrize(
    ("body", "origin"),
    [
        (f'{{"url": "{WHEEL}", "archive_info": {{"hash": "sha256={A}"}}}}', DirectUrl(WHEEL, frozenset({f"sha256:{A}"}))),
        (f'{{"url": "{WHEEL}", "archive_info": {{"hashes": {{"sha256": "{A}"}}}}}}', DirectUrl(WHEEL, frozenset({f"sha256:{A}"}))),
        (f'{{"url": "{WHEEL}", "archive_info": {{}}}}', DirectUrl(WHEEL)),
        ('{"url": "file:///src", "dir_info": {"editable": true}}', DirectUrl("file:///src")),
        ("{}", DirectUrl("")),
        ("[1]", DirectUrl("")),
        ("{", DirectUrl("")),
    ],
)  # fmt: skip
def test_what_an_installer_wrote(tmp_path: Path, body: str, origin: DirectUrl) -> None:
    assert read_direct_url(str(tmp_path)) is None
    (tmp_path / "direct_url.json").write_text(body)
    assert read_direct_url(str(tmp_path)) == origin


@pytest.mark.parametrize(
    ("url", "hashes", "origin", "same"),
    [
        ("", [], None, True),
        ("", [], DirectUrl(WHEEL), False),
        (WHEEL, [], None, False),
        (WHEEL, [], DirectUrl(WHEEL), True),
        (f"{WHEEL}#sha256={A}", [f"sha256:{A}"], DirectUrl(WHEEL, frozenset({f"sha256:{A}"})), True),
        (f"{WHEEL}#sha256={A}", [f"sha256:{A}"], DirectUrl(WHEEL, frozenset({f"sha256:{B}"})), False),
        (f"{WHEEL}#sha256={A}", [f"sha256:{A}"], DirectUrl(WHEEL, frozenset({f"sha512:{B}{B}"})), True),
        (WHEEL, [f"sha256:{A}", f"sha256:{B}"], DirectUrl(WHEEL, frozenset({f"sha256:{B}"})), True),
        (WHEEL, [], DirectUrl(WHEEL.replace("f/", "g/")), False),
        ("https://x.org/a-1%2Bb-py3-none-any.whl", [], DirectUrl("https://x.org/a-1+b-py3-none-any.whl"), True),
        (WHEEL, [], DirectUrl(f"{WHEEL}#sha256={A}"), True),
        # uv records an address as RFC 3986 would have it.
        ("https://x.org:443/./f/../a-1-py3-none-any.whl", [], DirectUrl("HTTPS://X.org/a-1-py3-none-any.whl"), True),
        ("file:///w/./a-1-py3-none-any.whl", [], DirectUrl("file://localhost/w/a-1-py3-none-any.whl"), True),
        ("https://x.org:8443/a-1-py3-none-any.whl", [], DirectUrl("https://x.org/a-1-py3-none-any.whl"), False),
        ("https://x.org:port/a-1-py3-none-any.whl", [], DirectUrl("https://x.org/a-1-py3-none-any.whl"), False),
        (WHEEL, [], DirectUrl(""), False),
    ],
)
def test_same_origin(url: str, hashes: list[str], origin: DirectUrl | None, same: bool) -> None:
    assert same_origin(url, hashes, origin) is same
