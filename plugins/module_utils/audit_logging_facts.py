# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the bytes of a source file show of how it logs, and the levels in it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Optional

from .audit_source_facts import SourceFacts, spelled, text_of

#: A cheap look at the bytes of a file: one without any of these breaks no rule by itself.
#: Looking for plain bytes takes a tenth of the time of an expression, and most files are done with after that.
_MENTIONED = (
    *(b"basicConfig", b"FileHandler", b"addHandler", b"setLevel", b"dictConfig", b"fileConfig"),
    *(b"'handlers'", b'"handlers"', b"loguru", b"structlog"),
)
_PRINTS = re.compile(rb"\bprint\s*\(")
_CAUGHT_OR_TAGGED = re.compile(rb"\bexcept\b|\bprint\s*\(\s*f?[\"'][\[(<*!-]*\s*(?:DEBUG|I|W|E|CRIT|FATAL)")
_IMPORTS = re.compile(rb"^[ \t]*(?:import|from)[ \t]+logging\b", re.MULTILINE)
_OTHER_LOGGERS = re.compile(rb"\b(?:loguru|structlog)\b")
_RECORD = rb"(?:debug|info|warn|warning|error|critical|exception|log)\("
_RECORDS = re.compile(rb"(?:\b|_)log(?:ger|ging)?\." + _RECORD, re.IGNORECASE)
_SURE_RECORDS = re.compile(rb"\blogging\." + _RECORD)
_TOOLS = [
    "argparse",
    "click",
    "cmd",
    "cmd2",
    "code",
    "colorama",
    "curses",
    "cyclopts",
    "docopt",
    "fire",
    "getopt",
    "getpass",
    "IPython",
    "inquirer",
    "optparse",
    "pdb",
    "plac",
    "prompt_toolkit",
    "questionary",
    "readline",
    "rich",
    "tqdm",
    "typer",
]
#: Who takes colours, reads arguments or asks, talks to somebody at a terminal.
_OF_TOOLS = re.compile(
    rb"^[ \t]*(?:import|from)[ \t]+(?:%b)\b|\bsys\.argv\b|\binput\s*\(|\bexit\s*\(|\\(?:033|x1[bB])\[|\bcolor_theme\b|\bcolored\("
    % "|".join(_TOOLS).encode(),
    re.MULTILINE,
)
_PARSERS = re.compile(
    rb"^[ \t]*(?:import|from)[ \t]+(?:argparse|click|cmd|cmd2|cyclopts|docopt|fire|getopt|optparse|plac|typer)\b",
    re.MULTILINE,
)
LEVELS = {"NOTSET": 0, "DEBUG": 10, "INFO": 20, "WARNING": 30, "WARN": 30, "ERROR": 40, "CRITICAL": 50, "FATAL": 50}
INFO_LEVEL = LEVELS["INFO"]


def needs_names(content: bytes) -> bool:
    """Whether it has to be known what the names in a file come from."""
    return any(word in content for word in _MENTIONED)


def has_parser(content: bytes) -> bool:
    """Whether a file reads the arguments of a command line."""
    return _PARSERS.search(content) is not None


def may_print(content: bytes) -> bool:
    """Whether a file may print what it should log: it prints, and is no command-line tool."""
    if b"print" not in content or _PRINTS.search(content) is None:
        return False
    return _CAUGHT_OR_TAGGED.search(content) is not None and _OF_TOOLS.search(content) is None


def _records(content: bytes) -> Iterator[bytes]:
    if b"logging" in content and _IMPORTS.search(content):
        # What is called logger may be that of another library.
        pattern = _SURE_RECORDS if _OTHER_LOGGERS.search(content) else _RECORDS
        yield from (match.group() for match in pattern.finditer(content))


def logs(content: bytes) -> bool:
    """Whether a file seems to make records of the standard library."""
    return next(_records(content), None) is not None


def logs_info(content: bytes) -> bool:
    """Whether a file seems to make records at INFO."""
    return any(record.endswith(b".info(") for record in _records(content))


def level_of(facts: SourceFacts, node: Optional[ast.AST]) -> Optional[int]:
    """Return the level that an expression is; ``None`` where it is not plain."""
    if isinstance(node, ast.Constant) and isinstance(node.value, int) and not isinstance(node.value, bool):
        return node.value
    text = text_of(node)
    if text is not None:
        return LEVELS.get(text.upper())
    root, _dot, name = spelled(node).rpartition(".")
    return LEVELS.get(name) if root.rpartition(".")[2] == "logging" or f"logging.{name}" in facts.imports else None
