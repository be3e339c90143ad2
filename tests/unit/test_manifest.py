# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is remembered of a start, and digests of what a process was started with."""

from __future__ import annotations

import json

import pytest
from ansible_collections.stability.baseline.plugins.module_utils import manifest as m

STARTED = m.Started("u", {"/a": "1", "/b": "2"}, "g")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(m, "FOLDER", str(tmp_path))
    monkeypatch.setattr(m, "MANIFEST", str(tmp_path / "units.json"))
    monkeypatch.setattr(m, "LOCK", str(tmp_path / "units.lock"))
    return tmp_path


def test_a_manifest_is_read_back(folder):
    manifest = m.Manifest(
        {"a.service": m.Entry("a", STARTED, True, True), "b.timer": m.Entry("b")}, frozenset({"c.service"})
    )
    m.write_manifest(manifest)
    assert m.read_manifest() == manifest
    assert (folder / "units.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"units": {"a.service": {}}}', '{"units": {"a": {"service": "a", "started": 5}}}']
)
def test_a_manifest_that_cannot_be_understood_is_told(folder, text):
    """Taken for empty, it would make the next run forget which unit files of others are kept."""
    (folder / "units.json").write_text(text)
    with pytest.raises(m.Unreadable) as caught:
        m.read_manifest()
    assert str(caught.value) == (
        f"{folder}/units.json cannot be understood, so nothing was touched. Restore it from a backup, or move it away: then units "
        f"of the baseline are known by their first line only, and what is kept in {m.REPLACED} has to be put back by hand."
    )


def test_a_manifest_of_an_earlier_version_may_lack_what_came_later(folder):
    (folder / "units.json").write_text('{"units": {"a.service": {"service": "a"}}}')
    assert m.read_manifest() == m.Manifest({"a.service": m.Entry("a")})


@pytest.mark.parametrize(
    ("wanted", "reasons"),
    [
        (STARTED, []),
        (m.Started("x", STARTED.paths, "g"), ["unit file"]),
        (m.Started("u", {"/a": "9", "/c": "3"}, "g"), ["/a", "/b", "/c"]),
        (m.Started("u", STARTED.paths, "h"), ["virtual environment"]),
    ],
)
def test_a_restart_has_reasons(wanted, reasons):
    assert STARTED.reasons(wanted) == reasons


def test_a_unit_is_given_back_until_it_is_ours_again():
    ours = m.Manifest({"a.service": m.Entry("a")})
    given_back = ours.with_given_back("a.service")
    assert (dict(given_back.entries), given_back.given_back) == ({}, {"a.service"})
    assert given_back.with_entry("a.service", m.Entry("a")) == ours


def tree(folder):
    (folder / "sub").mkdir()
    (folder / "sub" / "b.py").write_text("b")
    (folder / "a.py").write_text("a")
    (folder / "link").symlink_to("a.py")
    (folder / "other").mkdir()
    (folder / "current").symlink_to("sub")
    return folder


#: (what is done to the tree, whether its content has changed).
TOUCHES = {
    "nothing": (lambda top: None, False),
    "only its time": (lambda top: (top / "a.py").touch(), False),
    "compiled files": (
        lambda top: ((top / "__pycache__").mkdir(), (top / "__pycache__" / "a.pyc").write_text("x")),
        False,
    ),
    "content": (lambda top: (top / "sub" / "b.py").write_text("c"), True),
    "a new file": (lambda top: (top / "new").write_text(""), True),
    "a renamed file": (lambda top: (top / "a.py").rename(top / "z.py"), True),
    "the executable bit": (lambda top: (top / "a.py").chmod(0o755), True),
    "a link to a file": (lambda top: ((top / "link").unlink(), (top / "link").symlink_to("sub/b.py")), True),
    "a link to a folder": (lambda top: ((top / "current").unlink(), (top / "current").symlink_to("other")), True),
}


@pytest.mark.parametrize("touch", TOUCHES)
def test_the_content_of_a_folder_decides(tmp_path, touch):
    top = tree(tmp_path)
    before = m.digest_path(str(top))
    TOUCHES[touch][0](top)
    assert (m.digest_path(str(top)) != before) is TOUCHES[touch][1]


def test_a_link_to_a_file_counts_with_its_target(tmp_path):
    (tmp_path / "target").write_text("1")
    (tmp_path / "link").symlink_to("target")
    before = m.digest_path(str(tmp_path / "link"))
    (tmp_path / "target").write_text("2")
    assert m.digest_path(str(tmp_path / "link")) != before
    assert m.digest_path(str(tmp_path / "missing")) == ""


@pytest.mark.parametrize(
    ("text", "generation"), [(None, ""), ("{", ""), ("{}", ""), (json.dumps({"generation": "g7"}), "g7")]
)
def test_the_generation_of_an_environment(tmp_path, text, generation):
    if text is not None:
        (tmp_path / m.GENERATION).write_text(text)
    assert m.generation(str(tmp_path)) == generation
    assert m.generation(None) == ""


def test_a_second_run_waits_and_then_says_who_holds_the_host(folder, monkeypatch):
    monkeypatch.setattr(m, "LOCK_WAIT", 0.0)
    with (
        m.locked(),
        pytest.raises(m.Busy, match=r"Another run holds .*units\.lock\. Wait until it has ended"),
        m.locked(),
    ):
        pass


def test_a_pattern_stands_for_what_matches_it(tmp_path):
    pattern = f"{tmp_path}/*.env"
    assert m.digest_path(pattern) == ""
    (tmp_path / "broken.env").symlink_to("nowhere.env")
    assert m.digest_path(pattern) == ""
    (tmp_path / "one.env").write_text("A=1")
    one = m.digest_path(pattern)
    (tmp_path / "two.env").write_text("A=1")
    two = m.digest_path(pattern)
    (tmp_path / "two.env").write_text("A=2")
    assert len({"", one, two, m.digest_path(pattern)}) == 4
