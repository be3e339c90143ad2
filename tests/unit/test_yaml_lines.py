# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The YAML that people paste into an inventory is the data, to the letter."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible_collections.stability.baseline.plugins.module_utils.yaml_lines import yaml_lines
from hypothesis import example, given
from hypothesis import strategies as st
from ruamel.yaml import YAML


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, which also knows the tag for text that is no template."""


_Loader.add_constructor("!unsafe", lambda loader, node: loader.construct_scalar(node))


def read(data: Any) -> Any:
    return yaml.load("\n".join(yaml_lines(data)), _Loader)


#: Text that a reader of YAML takes for something else, or stumbles over.
_LISTED = """
yes No on OFF true False null Null ~ y N none 1 -1 +1 0o17 0x1F 0b1 1_000 1e5 1.5 .5 . .inf .nan -.inf 1:30 12:30:45 2027-01-31
- -- --- ... ? : a: :a a:b a:1 #a a#b a,b [a] a[b] {a} {} [] & *a !a !!str | > @a `a ' " '' "" % %a = << \\ a\\b 5s 256M 50% 1min 9us
~/x /opt/my.venv gunicorn==23.0.0 uvicorn[standard]==0.30 http://x:80/ {{x}} {%x%} {#x#} a@b.service é 日本 😀
"""
TRAPS = _LISTED.split()
texts = (
    st.text() | st.sampled_from(TRAPS) | st.sampled_from(["", " ", " a", "a ", "a  b", "a #b", "a: b", "a - b", "a -b"])
)
scalars = texts | st.integers() | st.booleans() | st.none() | st.floats(allow_nan=False)
trees = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4), max_leaves=12
)


@given(trees)
@example({"a": [[["b"], []], {"c": {}}, [{"d": [1, {"e": None}]}]]})
@example({"k" * 2000: {"a": [1, 2]}, "k" * 1500: 1})
def test_what_is_written_is_read_again(data: Any) -> None:
    again = read(data)
    assert again == data
    # 1 == True == 1.0
    assert repr(again) == repr(data)


@pytest.mark.parametrize("text", [*TRAPS, "\x00\x1b\x7f\x85\ufeff\u2028\u202e\ud800", "a\tb\r\nc", "x" * 3000])
def test_text_stays_text(text: str) -> None:
    assert read({text: [text]}) == {text: [text]}


@pytest.mark.parametrize("text", TRAPS)
def test_text_stays_text_for_a_reader_of_yaml_1_2(text: str) -> None:
    if "!unsafe" not in (written := "\n".join(yaml_lines({text: [text]}))):
        assert YAML(typ="safe", pure=True).load(written) == {text: [text]}


@pytest.mark.parametrize("text", ["{{ lookup('pipe', 'id') }}", "a {% raw %}", "{# gone #}"])
def test_ansible_does_not_fill_in_what_it_reads(text: str) -> None:
    (line,) = yaml_lines({"path": text})
    assert would_be_filled_in(line.replace("!unsafe ", ""))
    assert not would_be_filled_in(line) and DataLoader().load(line) == {"path": text}


def would_be_filled_in(line: str) -> bool:
    """Whether Ansible takes the value in a line of an inventory for a template, which text with its tag is not."""
    try:
        from ansible.template import is_trusted_as_template, trust_as_template
    except ImportError:  # before ansible-core 2.19
        return type(DataLoader().load(line)["path"]).__name__ != "AnsibleUnsafeText"
    return bool(is_trusted_as_template(DataLoader().load(trust_as_template(line))["path"]))


def test_words_are_quoted_that_only_some_readers_take_for_booleans() -> None:
    assert yaml_lines({"y": ["n", "Y", "On", "null"]}) == ['"y":', '  - "n"', '  - "Y"', '  - "On"', '  - "null"']


def test_it_looks_as_people_write_it() -> None:
    data = {
        "stability_services": [
            {"name": "api", "drop_in": True, "restart": "always", "start_limit_interval_sec": 0},
            {"name": "web", "restart": "no", "restart_sec": "5s", "environment": {"PYTHONUNBUFFERED": "1"}},
        ],
        "stability_environments": [
            {"virtualenv": "/opt/api/venv", "pins": ["flask==3.0.3", "uvicorn[standard]==0.30"]}
        ],
    }
    expected = """
stability_services:
  - name: api
    drop_in: true
    restart: always
    start_limit_interval_sec: 0
  - name: web
    restart: "no"
    restart_sec: 5s
    environment:
      PYTHONUNBUFFERED: "1"
stability_environments:
  - virtualenv: /opt/api/venv
    pins:
      - flask==3.0.3
      - uvicorn[standard]==0.30
"""
    assert yaml_lines(data) == expected.strip().split("\n")
