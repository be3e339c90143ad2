# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What pip_pinned reads pins from, with a real pip: files that name others, constraints, direct references, lock files."""

from __future__ import annotations

import hashlib
import json

from pip_pinned_environments import (
    FLASK,
    applied,
    archive_of,
    changes,
    digest_of,
    module,
    refused,
    runs,
    site_of,
    wheel,
)


def test_files_that_name_others_and_constraints(bare_env, tmp_path):
    for name in ("one", "two", "three", "unused"):
        wheel(tmp_path / "wheels", name, "1")
        wheel(tmp_path / "wheels", name, "2")
    (tmp_path / "sub").mkdir()
    (tmp_path / "top.txt").write_text("-r sub/more.txt\n-c limits.txt\none\n")
    (tmp_path / "sub" / "more.txt").write_text("two==2\nthree<2\n")
    (tmp_path / "limits.txt").write_text("one==1\ntwo==2.0\nthree==1\nunused==1\n")
    options = {"find_links": [str(tmp_path / "wheels")], "no_index": True}
    result = applied(bare_env, requirements=str(tmp_path / "top.txt"), **options)
    assert {name: step[1] for name, step in changes(result).items()} == {"one": "1", "two": "2", "three": "1"}
    message = refused(bare_env, requirements_content="-r top.txt\n")
    assert message == (
        'requirements_content, line 1: found "-r top.txt"; expected a requirement pinned with ==, no option of pip. '
        "Write its pins out here, or give a file on the host as requirements, where it may stand."
    )
    (tmp_path / "limits.txt").unlink()
    assert 'found "-c limits.txt"; expected a file' in refused(bare_env, requirements=str(tmp_path / "top.txt"))
    predicted = module(bare_env, check=True, requirements=str(tmp_path / "top.txt"), **options)
    assert predicted["warnings"] == [f"The file {tmp_path}/limits.txt does not exist yet; its pins are unknown."]


def test_a_wheel_on_the_host_by_its_path(bare_env, wheelhouse):
    archive = archive_of(wheelhouse, "click", FLASK["click"])
    pin = f"click @ file://{archive}"
    result = applied(bare_env, pins=[pin])
    assert changes(result) == {"click": (None, FLASK["click"], "missing")}
    assert result["diff"]["after"] == f"click=={FLASK['click']} @ file://{archive}  # missing\n"
    # Wrong origin, both ways, and another file of the same version.
    options = {"find_links": [str(wheelhouse)], "no_index": True}
    by_name = applied(bare_env, pins=[f"click=={FLASK['click']}"], **options)
    assert changes(by_name) == {"click": (FLASK["click"], FLASK["click"], "wrong origin")}
    assert by_name["diff"]["before"] == f"click=={FLASK['click']} @ file://{archive}  # wrong origin\n"
    back = applied(bare_env, pins=[f"{pin}#sha256={digest_of(wheelhouse, 'click', FLASK['click'])}"])
    assert changes(back) == {"click": (FLASK["click"], FLASK["click"], "wrong origin")}


def test_another_content_under_the_same_address_is_another_origin(bare_env, tmp_path):
    pinned = []
    for files in ({}, {"more.py": "x = 1\n"}):
        archive = wheel(tmp_path, "one", "1", files)
        pinned.append(f"one @ file://{archive}#sha256={hashlib.sha256(archive.read_bytes()).hexdigest()}")
        result = applied(bare_env, pins=pinned[-1:])
    assert changes(result) == {"one": ("1", "1", "wrong origin")}
    assert runs(bare_env, "import more; print(more.x)") == "1"


def test_an_archive_at_an_address_is_checked_by_its_hash(bare_env, index, place):
    wheels = index.wheels
    digest = hashlib.sha256((wheels / "private-1-py3-none-any.whl").read_bytes()).hexdigest()
    address = f"{index.url.rpartition('/')[0]}/wheels/private-1-py3-none-any.whl"
    index.expected = ""
    message = refused(bare_env, pins=[f"private @ {address}#sha256={'0' * 64}"])
    assert "THESE PACKAGES DO NOT MATCH THE HASHES" in message
    result = applied(bare_env, pins=[f"private @ {address}#sha256={digest}"], require_hashes=True)
    assert changes(result) == {"private": (None, "1", "missing")}
    recorded = json.loads((site_of(bare_env) / "private-1.dist-info" / "direct_url.json").read_text())
    assert recorded["url"] == address
    unpinned = refused(bare_env, pins=[f"private @ {address}"])
    assert unpinned.startswith(f'pins[0]: found "private @ {address}"; expected an address with a hash.')


LOCK = """
lock-version = "1.0"
created-by = "test"
requires-python = ">=3.8"

[[packages]]
name = "Click"
version = "{click}"
wheels = [{{name = "click.whl", url = "https://example.org/click.whl", hashes = {{sha256 = "{digest}"}}}}]

[[packages]]
name = "colorama"
version = "0.4.6"
marker = "sys_platform == 'win32'"
wheels = [{{name = "colorama.whl", url = "https://example.org/colorama.whl", hashes = {{sha256 = "{digest}"}}}}]
"""


def test_a_lock_file_of_pep_751(bare_env, wheelhouse, tmp_path):
    lock = tmp_path / "pylock.web.toml"
    options = {"requirements": str(lock), "find_links": [str(wheelhouse)], "no_index": True}
    lock.write_text(LOCK.format(click=FLASK["click"], digest="0" * 64))
    message = refused(bare_env, **options)
    assert "THESE PACKAGES DO NOT MATCH THE HASHES" in message
    lock.write_text(LOCK.format(click=FLASK["click"], digest=digest_of(wheelhouse, "click", FLASK["click"])))
    assert changes(applied(bare_env, **options)) == {"click": (None, FLASK["click"], "missing")}
    lock.write_text(lock.read_text().replace("[[packages]]", "[[packages]]\nvcs = {type = 'git'}", 1))
    assert refused(bare_env, **options).startswith(f"requirements ({lock}), packages[0] (Click): found ")
