# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of a report: everything is in it, once and in order, and nothing from a host is markup."""

from __future__ import annotations

import base64
import copy
import hashlib
import itertools
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from typing import Any

import pytest
import yaml
from ansible_collections.stability.baseline.plugins.module_utils.report import build
from ansible_collections.stability.baseline.plugins.module_utils.report_charts import chart, size
from ansible_collections.stability.baseline.plugins.module_utils.report_html import html
from hypothesis import given
from hypothesis import strategies as st
from report_data import FIRST, LATER, RESULTS, WAIVED, environment, finding, records, result, service

from report_pages import large_report, shop_report

#: Of these HTML knows that they have no content.
VOID = {"meta", "link", "input"}
#: What a paragraph and a list item end at when nothing else ends them.
ENDS_P = {"p", "pre", "ul", "li", "h4", "h5", "section", "details", "div"}


class Node:
    """An element: its name, its attributes, and what is in it."""

    def __init__(self, name: str, attributes: dict[str, str]) -> None:
        self.name, self.attributes = name, attributes
        self.children: list[Node | str] = []

    def walk(self) -> Iterator[Node]:
        yield self
        for child in self.children:
            if isinstance(child, Node):
                yield from child.walk()

    def all(self, name: str = "", **wanted: str) -> list[Node]:
        """Return the elements inside of this one with a name, and with each class, id or other attribute."""
        return [
            node
            for node in self.walk()
            if name in ("", node.name)
            and all(set(value.split()) <= set(node.get(key).split()) for key, value in wanted.items())
        ]

    def one(self, name: str = "", **wanted: str) -> Node:
        (found,) = self.all(name, **wanted)
        return found

    def get(self, key: str) -> str:
        return self.attributes.get(key.rstrip("_"), "")

    @property
    def text(self) -> str:
        return "".join(child if isinstance(child, str) else child.text for child in self.children)


class Page(HTMLParser):
    """Reads a page as strictly as it is written: what is opened is closed, but for paragraphs and list items."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.root = Node("", {})
        self.stack = [self.root]
        self.feed(text)
        self.close()
        assert self.stack == [self.root], [node.name for node in self.stack]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self.stack[-1].name == "p" and tag in ENDS_P:
            self.stack.pop()
        if self.stack[-1].name == "li" and tag == "li":
            self.stack.pop()
        node = Node(tag, {name: value or "" for name, value in attrs})
        self.stack[-1].children.append(node)
        if tag not in VOID:
            self.stack.append(node)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.stack[-1].children.append(Node(tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        while self.stack[-1].name in ("p", "li") and self.stack[-1].name != tag:
            self.stack.pop()
        assert self.stack.pop().name == tag

    def handle_data(self, data: str) -> None:
        self.stack[-1].children.append(data)


def page(report: dict[str, Any]) -> Node:
    return Page(html(report)).root


REPORT = build(RESULTS, LATER, build({"web": result(finding("SB101"), finding("SB201"))}, FIRST))
PAGE = page(REPORT)


def told(node: Node, kind: str) -> str:
    """Return the text of the one paragraph of a kind in a finding, empty when there is none."""
    found = node.all("p", class_=kind)
    assert len(found) < 2
    return found[0].text if found else ""


def facts_in(node: Node) -> Counter[tuple[Any, ...]]:
    """Return what the page says of each finding on a host."""
    found: Counter[tuple[Any, ...]] = Counter()
    for unit in node.all("section", data_u=""):
        name = unit.all("h4")[0].text
        for one in unit.all("li", class_="f"):
            badge = one.one("span", class_="b").text.split()
            waived = "x" in one.get("class_").split()
            subject = one.one("code").text if waived else name
            found[
                (*badge[1:], subject, told(one, "s"), told(one, "y"), told(one, "d"), told(one, "p"), told(one, "q"))
            ] += 1
    return found


def facts_of(report: dict[str, Any], host: dict[str, Any]) -> Counter[tuple[Any, ...]]:
    """Return the same of the data."""
    found: Counter[tuple[Any, ...]] = Counter()
    for one in host["findings"]:
        rule, at, waived = report["rules"][one["id"]], one["location"], one["waived"]
        where = f"{at['file']}:{at['line']}" if at else ""
        until = f"until {waived['until']}: {waived['reason']}" if waived else ""
        found[
            (one["severity"], one["id"], one["subject"], one["seen"], rule["reason"], rule["remedy"], where, until)
        ] += 1
    return found


@pytest.mark.parametrize("report", [REPORT, shop_report(3), large_report(3, 4)], ids=["kinds", "shop", "large"])
def test_every_finding_is_in_the_page(report: dict[str, Any]) -> None:
    hosts = page(report).all("details", class_="h")
    assert [node.one("h3").text for node in hosts] == [host["host"] for host in report["hosts"]]
    for node, host in zip(hosts, report["hosts"], strict=True):
        assert facts_in(node) == facts_of(report, host)
        titles = Counter(one["title"] for one in host["findings"])
        for title, number in titles.items():
            assert sum(title in heading.text for heading in node.all("h5")) >= number


def test_what_mends_a_finding_is_the_data() -> None:
    for report in (REPORT, shop_report(2), large_report(2, 3)):
        wanted = [one["mend"] for host in report["hosts"] for one in host["findings"] if one["mend"]]
        written = [yaml.safe_load(node.text) for node in page(report).all("pre")]
        assert sorted(map(str, written)) == sorted(map(str, wanted)) and wanted


def test_the_summary_says_what_was_counted() -> None:
    tiles = {node.one("dt").text: node.one("dd").text for node in PAGE.one("dl", class_="tiles").all("div")}
    assert tiles == {
        **{"Hosts": "3 1 not audited", "Services": "2", "Environments": "2"},
        **{"✕ Errors": "2", "▲ Warnings": "1", "● Info": "1", "Waived": "1"},
    }
    assert PAGE.one("header").one("time").get("datetime") == LATER.text
    assert "Made 2026-11-19 12:26 UTC" in PAGE.one("header").text
    since = " ".join(PAGE.one("p", class_="since").text.split())
    assert since == "Since the report of 2026-11-18 12:26 UTC: 3 new, 1 fixed, 1 still there."
    (fixed,) = PAGE.one("details", id="fixed").all("li")
    assert "SB201" in fixed.text and "web" in fixed.text and "Restart=no" in fixed.text
    first = page(build(RESULTS, FIRST))
    assert "no earlier report" in first.text and not first.all(class_="since") and not first.all(id="fresh")


def test_new_and_known_findings_are_marked() -> None:
    web = PAGE.all("details", class_="h")[1]
    marks = {
        one.one("span", class_="b").text.split()[-1]: (
            "known" in one.get("class_").split(),
            bool(one.all("b", class_="n")),
        )
        for one in web.all("li", class_="f")
    }
    assert marks["SB101"] == (True, False) and marks["SB202"] == (False, True)
    assert not page(build(RESULTS, FIRST)).all("b", class_="n")


def test_waived_findings_stand_apart() -> None:
    apart = PAGE.one("details", class_="waived")
    (one,) = apart.all("li", class_="f")
    assert one.get("class_").split()[1] == "x" and "SB107" in one.text and "api.service" in one.text
    assert not one.all("b", class_="n") and "new" not in one.get("class_").split()
    assert told(one, "q") == f"until {WAIVED['until']}: {WAIVED['reason']}"
    assert len(PAGE.all("li", class_="f x")) == 1


def rows(report: dict[str, Any]) -> list[Node]:
    return page(report).one("table", class_="matrix").one("tbody").all("tr")


def test_of_a_host_that_was_missed_it_says_what_was_seen_before() -> None:
    report = build(RESULTS, LATER, build({"gone": result(finding(), finding("SB202"))}, FIRST))
    (gone,) = [node for node in page(report).all("details", class_="h") if node.one("h3").text == "gone"]
    assert "Failed to connect to the host\nLast looked at 2026-11-18 12:26 UTC, with 2 findings" in gone.text


def test_the_matrix_has_what_hurts_most_first() -> None:
    results = {
        **RESULTS,
        "warned": result(
            finding("SB202"), services=[service("a.service"), service("api.service"), service("z.service")]
        ),
    }
    gone, web, warned, fine = rows(build(results, FIRST))
    assert gone.one("th").text == "gone" and "✕ not audited Failed to connect" in gone.text
    assert [node.text for node in web.all("td", class_="num")] == ["2", "1", "1"]
    chips = [(node.text, node.get("aria-label"), node.get("class_").split()) for node in warned.all("a", class_="c")]
    assert chips == [
        ("▲ api", "warning: api.service", ["c", "w"]),
        ("✓ a", "nothing found: a.service", ["c", "o"]),
        ("✓ z", "nothing found: z.service", ["c", "o"]),
    ]
    # An environment is there when something is wrong with it, so that the numbers of the row have their reasons in it.
    assert [(node.text, node.get("class_")) for node in web.all("a", class_="c")] == [
        ("✕ api", "c e"),
        ("✕ /opt/api/venv", "c e v"),
    ]
    assert [node.text for node in fine.all("a", class_="c")] == ["✓ api"]
    (bare,) = rows(build({"bare": result(services=[], environments=[])}, FIRST))
    assert "no Python service here" in bare.text


def test_every_link_leads_somewhere_in_the_page() -> None:
    for report in (REPORT, shop_report(2)):
        root = page(report)
        ids = [node.get("id") for node in root.walk() if node.get("id")]
        links = [node.get("href") for node in root.all("a")]
        assert len(ids) == len(set(ids)) and links
        assert all(link[0] == "#" and link[1:] in ids for link in links)
        labels = [node.get("aria-labelledby") for node in root.walk() if node.get("aria-labelledby")]
        assert set(labels) <= set(ids) and len(labels) == 4
        for chip in root.all("a", class_="c"):
            name = chip.get("aria-label").partition(": ")[2]
            assert root.one(id=chip.get("href")[1:]).all("h4")[0].text == name


def test_headings_are_in_order() -> None:
    levels = [int(node.name[1]) for node in page(shop_report(2)).walk() if re.fullmatch("h[1-6]", node.name)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))


def test_a_host_says_what_could_not_be_seen_and_what_it_has() -> None:
    gone, web, fine = PAGE.all("details", class_="h")
    assert gone.one("p", class_="alarm").text == "Failed to connect to the host"
    assert web.one("div", class_="unseen").one("li").text == "The journal cannot be read."
    assert fine.one("div", class_="envs").one("li").text == "/opt/api/venv Python 3.11.2, 1 distribution"
    assert "systemd 252 · 1 service · 1 environment" in fine.text
    plain = page(build({"plain": result(root=False, systemd=None)}, FIRST)).one("details", class_="h").text
    assert "looked at without root" in plain and "no systemd" in plain


def test_hosts_are_unfolded_from_the_worst_on() -> None:
    hosts = {f"h{number}": result(*[finding()] * 15) for number in range(4)}
    states = [
        "open" in node.attributes for node in page(build({**hosts, "z": result()}, FIRST)).all("details", class_="h")
    ]
    assert states == [True, True, False, False, False]
    assert "open" in page(build({"one": result(*[finding()] * 50)}, FIRST)).one("details", class_="h").attributes


def test_packages_are_told_for_all_hosts_together() -> None:
    conflict = finding("SB401", "/opt/api/venv", "flask 3.0.3 requires werkzeug>=3, and 2.0 is installed")
    waived = finding("SB404", "/opt/api/venv", "click is 1, and 2 is pinned", waived=WAIVED)
    results = {
        **{f"h{one}": result(conflict, environments=[environment(flask="3.0.3")]) for one in range(6)},
        "other": result(finding("SB405"), waived, environments=[environment(flask="3.0.2")]),
    }
    boxes = page(build(results, FIRST)).all("details", class_="box")
    assert [node.all("summary")[0].text.split()[2] for node in boxes[:-1]] == ["SB401", "SB405"]
    (line,) = boxes[0].one("ul").all("li")
    assert "6 hosts" in line.text and [node.text for node in line.all("a")] == [f"h{one}" for one in range(6)]
    drift = boxes[-1].one("li").text
    assert "/opt/api/venv flask: 3.0.2 on other; 3.0.3 on 6 hosts" in drift and "h0, h1" in drift
    assert "Nothing is wrong with the packages" in page(build({"a": result()}, FIRST)).text


HOSTILE = "<script>alert(1)</script>'\"&lt;<!--]]>\x00\x1b[31m\u202e\u2066\u2028\ud800é\x85</style></pre>{{7*7}}"


def planted(value: Any, path: str = "") -> Iterator[tuple[str, Callable[[Any], None]]]:
    """Yield each place of a report that holds text from outside, with what writes another text there."""
    if isinstance(value, dict):
        for key in value:
            if isinstance(value[key], str) and key not in ("severity", "status", "id", "worst", "kind", "report"):
                yield f"{path}.{key}", lambda text, key=key: value.__setitem__(key, text)
            else:
                yield from planted(value[key], f"{path}.{key}")
    elif isinstance(value, list):
        for index, one in enumerate(value):
            if isinstance(one, str):
                yield f"{path}[{index}]", lambda text, index=index: value.__setitem__(index, text)
            else:
                yield from planted(one, f"{path}[{index}]")


def hostile_report() -> dict[str, Any]:
    report = copy.deepcopy(shop_report(3))
    report["drift"].append({"virtualenv": "v", "project": "p", "versions": {HOSTILE: [HOSTILE] * 9, "1": ["a"]}})
    for _path, plant in list(planted(report)):
        plant(HOSTILE)
    for host in report["hosts"]:
        for one in host["findings"]:
            one["mend"] = {HOSTILE: [HOSTILE, {HOSTILE: HOSTILE}]}
    report["hosts"][1]["findings"][0]["waived"] = {"until": HOSTILE, "reason": HOSTILE}
    return report


def test_text_from_hosts_is_never_markup() -> None:
    text = html(hostile_report())
    root = Page(text).root
    assert {name for name, _plant in planted(shop_report(3))} >= {".created", ".hosts[1].services[0].state"}
    assert len(root.all("script")) == len(root.all("style")) == 1
    known = {node.name for node in page(shop_report(3)).walk()} | {"svg", "path", "title", "text"}
    assert {node.name for node in root.walk()} <= known
    assert "<script>alert" not in text and text.count("<script>") == text.count("</script>") == 1
    # Nothing turns text around, ends it, or is a character that HTML or UTF-8 do not have.
    body = text[text.index("</style>") :]
    assert all(letter.isprintable() or letter in "\n\t" for letter in body)
    assert "\\x00" in body and "\\u202e" in body and "\\ud800" in body
    text.encode()
    events = [name for node in root.walk() for name in node.attributes if name.startswith(("on", "style"))]
    assert not events


@given(st.text())
def test_any_text_can_be_in_a_page(text: str) -> None:
    report = build(
        {text: result(finding(subject=text, seen=text, mend={text: text}), unseen=[text], services=[service(text)])},
        FIRST,
    )
    root = page(report)
    html(report).encode()
    assert len(root.all("li", class_="f")) == 1 and len(root.all("script")) == 1
    if text.isprintable():
        assert root.one("h3").text == text and told(root.one("li", class_="f"), "s") == text


def test_lines_of_evidence_stay_lines() -> None:
    one = page(build({"a": result(finding(seen="first\n\tsecond"))}, FIRST)).one("li", class_="f")
    assert told(one, "s") == "first\n\tsecond"


def test_nothing_is_loaded_and_only_its_own_script_runs() -> None:
    (policy,) = [
        node.get("content") for node in PAGE.all("meta") if node.get("http-equiv") == "Content-Security-Policy"
    ]
    rules = dict(part.split(" ", 1) for part in policy.split("; "))
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'" and rules["img-src"] == "data:"
    for name, element in (("style-src", "style"), ("script-src", "script")):
        digest = base64.b64encode(hashlib.sha256(PAGE.one(element).text.encode()).digest()).decode()
        assert rules[name] == f"'sha256-{digest}'"
    addresses = [
        node.get(name) for node in PAGE.walk() for name in ("src", "href", "action", "xlink:href") if node.get(name)
    ]
    assert addresses and all(one.startswith(("#", "data:image/svg+xml,")) for one in addresses)
    assert "url(" not in html(REPORT) and "@import" not in html(REPORT)


def test_a_page_of_200_hosts_is_small_and_made_soon() -> None:
    report = large_report()
    assert (
        report["summary"]["services"] == 4000 and sum(map(len, (host["findings"] for host in report["hosts"]))) == 12000
    )
    begun = time.perf_counter()
    made = html(report).encode()
    took = time.perf_counter() - begun
    assert len(made) < 10_000_000 and took < 10
    assert made.count(b'<li class="f ') == 12000 and made.count(b"<svg") == 4000


def drawn(history: list[list[Any]], **keys: Any) -> Node:
    return Page(chart(service(history=history, **keys))).root


DAY = 86_400


def test_a_chart_says_in_words_what_it_shows() -> None:
    root = drawn(
        [[0, 1024**2 * 100, 0], [DAY, 1024**2 * 300, 2], [3 * DAY, 1024**2 * 200, 3]],
        memory_high=1024**3,
        memory_max=400 * 1024**2,
    )
    svg = root.one("svg")
    assert svg.get("role") == "img" and svg.one("title").text == "Memory and restarts"
    assert svg.get("aria-label") == (
        "Memory 200 MiB, between 100 MiB and 300 MiB, memory_high 1.0 GiB, memory_max 400 MiB; "
        "restarts 3, between 0 and 3; 3 samples of 1970-01-01 to 1970-01-04"
    )
    assert svg.all("text")[-1].text == "100 to 300 MiB, 0 to 3 restarts since 1970-01-01"
    # The limit that is far above the memory is not drawn, the other one is.
    assert [node.text for node in svg.all("text", class_="a")] == ["max"] and len(svg.all("path", class_="l")) == 1


def test_samples_are_where_their_time_is() -> None:
    path = drawn([[0, 100, 0], [DAY, 200, 2], [4 * DAY, 200, 2]]).one("path", class_="m").get("d")
    assert path.startswith("M0,") and re.fullmatch(r"M0,\d+l60-\d+ 180 0", path)
    steps = drawn([[0, None, 0], [DAY, None, 2], [4 * DAY, None, 1]]).one("path", class_="r").get("d")
    assert steps == "M0,20V20H60V3H240V12H240V20z"
    # Of two samples of one moment, or in no order, the times say nothing.
    assert drawn([[5, 100, 0], [5, 100, 0], [5, 100, 0]]).one("path", class_="m").get("d").endswith("l120 0 120 0")


def test_memory_that_is_not_known_is_a_gap() -> None:
    history = [[0, 100, 0], [1, None, 0], [2, 100, 0], [3, 200, 0], [4, None, 0]]
    path = drawn(history).one("path", class_="m").get("d")
    assert re.fullmatch(r"M0,\d+h0M120,\d+l60-\d+", path)
    assert "no restarts" in drawn(history).one("svg").get("aria-label")


@pytest.mark.parametrize("history", [[], [[1, 2, 3]], [[1, None, 0], [2, None, 0]]])
def test_there_is_no_chart_without_something_to_compare(history: list[list[Any]]) -> None:
    assert chart(service(history=history)) == ""


def test_what_became_of_the_records_of_a_service_is_shown() -> None:
    rows = [records(), records(library="loguru", logger="loguru", pid=18, repeated=["ERROR"], lost=[])]
    shown = page(build({"web": result(services=[service(canary=rows)])}, FIRST)).one("details", class_="more")
    assert shown.one("summary").text == "4 of 5 records arrived in the journal"
    assert [line.text for line in shown.all("li")] == [
        "logging root, process 17 (the service itself): WARNING with priority 6, ERROR without a priority; not there INFO",
        "loguru, process 18 (the service itself): WARNING with priority 6, ERROR without a priority; more than once ERROR",
    ]


def test_each_service_has_its_chart() -> None:
    report = shop_report(3)
    histories = [one for host in report["hosts"] for one in host["services"] if one["memory"] is not None]
    assert len(page(report).all("svg")) == len(histories) > 4


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (None, "not known"),
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 KiB"),
        (10 * 1024, "10 KiB"),
        (3 * 1024**3, "3.0 GiB"),
        (2**60, "1048576 TiB"),
    ],
)
def test_bytes_for_people(number: int | None, text: str) -> None:
    assert size(number) == text
