# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The key ``logging`` of a service: what it may say, and that its file does to a real logging what it says."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from ansible_collections.stability.baseline.plugins.module_utils.service_logging import (
    LEVELS,
    Logging,
    file_of,
    parse_logging,
)
from ansible_collections.stability.baseline.plugins.module_utils.values import Refused
from hypothesis import given
from hypothesis import strategies as st

CONFIGURED = """
import json, logging, logging.config, sys
early = logging.getLogger("early")
logging.config.dictConfig(json.load(open(sys.argv[1])))
for name in (None, "early", *sys.argv[2:]):
    for level in (10, 20, 30, 40, 50):
        logging.getLogger(name).log(level, "said")
"""


def test_everything_has_a_default() -> None:
    assert parse_logging({}) == Logging("INFO", "text", {}, "startup")


def test_the_runtime_gets_it_by_variables() -> None:
    logging = parse_logging({"level": "ERROR", "format": "json", "loggers": {"a.b": "DEBUG", "c": "CRITICAL"}})
    assert logging.variables == {
        **{"STABILITY_LOG_LEVEL": "ERROR", "STABILITY_LOG_FORMAT": "json"},
        **{"STABILITY_LOGGERS": "a.b=DEBUG c=CRITICAL"},
    }
    assert parse_logging({"apply": "file"}).variables == {}
    assert file_of("worker@mail") == "/usr/local/lib/stability/logging/worker@mail.json"


def said(path: Any, *names: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", CONFIGURED, path, *names], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    return done.stderr.splitlines()


def test_a_program_that_reads_the_file_logs_as_it_says(tmp_path: Any) -> None:
    path = tmp_path / "logging.json"
    path.write_text(parse_logging({"level": "WARNING", "loggers": {"a": "DEBUG", "b": "ERROR"}, "apply": "file"}).file)
    assert said(path, "a.x", "b") == [
        *(f"{level} root: said" for level in LEVELS[2:]),
        *(f"{level} early: said" for level in LEVELS[2:]),
        *(f"{level} a.x: said" for level in LEVELS),
        *(f"{level} b: said" for level in LEVELS[3:]),
    ]
    (handler,) = json.loads(path.read_text())["handlers"].values()
    assert (handler["level"], handler["stream"]) == ("DEBUG", "ext://sys.stderr")


@given(
    st.dictionaries(st.text(min_size=1).filter(lambda name: name != "root"), st.sampled_from(LEVELS)),
    st.sampled_from(LEVELS),
)
def test_a_name_is_refused_or_is_one_word(loggers: dict[str, str], level: str) -> None:
    try:
        logging = parse_logging({"level": level, "loggers": loggers})
    except Refused:
        return
    words = logging.variables.get("STABILITY_LOGGERS", "").split()
    assert {word.rpartition("=")[0]: word.rpartition("=")[2] for word in words} == loggers
    assert {name: one["level"] for name, one in json.loads(logging.file)["loggers"].items()} == loggers


@pytest.mark.parametrize(
    ("value", "faults"),
    [
        ("INFO", [("", "a mapping with level, format, loggers, apply", "Write {level: INFO}")]),
        ({"level": "info"}, [(".level", "one of DEBUG, INFO, WARNING, ERROR, CRITICAL", "Write INFO")]),
        ({"level": 20}, [(".level", "one of DEBUG, INFO, WARNING, ERROR, CRITICAL", "Choose one of them")]),
        ({"fromat": "text"}, [("", "one of level, format, loggers, apply", "Did you mean format")]),
        ({"handlers": []}, [("", "one of level, format, loggers, apply", "Take it out")]),
        ({"loggers": ["a"]}, [(".loggers", "a mapping of names of loggers to levels", "Write {urllib3: WARNING}")]),
        (
            {"loggers": {1.5: "INFO", "root": "INFO", "a b": "INFO", "c": "LOUD"}, "apply": "always"},
            [
                (".loggers", "the name of a logger", "Quote it, so that YAML leaves it as text"),
                (".loggers.root", "the name of a logger that is not the root logger", "Write level beside loggers"),
                (".loggers", "the name of a logger without blanks and =", "Write it as logging.getLogger has it"),
                (".loggers.c", "one of DEBUG, INFO, WARNING, ERROR, CRITICAL", "Choose one of them"),
                (".apply", "one of file, startup", "Choose one of them"),
            ],
        ),
        (
            {"apply": "file", "format": "json"},
            [(".format", "text with apply: file", "The formatter is a part of the runtime; write apply: startup")],
        ),
    ],
)
def test_all_that_is_wrong_is_told(value: object, faults: list[tuple[str, str, str]]) -> None:
    with pytest.raises(Refused) as refused:
        parse_logging(value)
    assert [(fault.place, fault.expected, fault.remedy) for fault in refused.value.faults] == faults
