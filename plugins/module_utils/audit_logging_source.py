# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules about how the source of an application logs.

Most of them are decided in one file. For some the other files count, too: what one sets up in one place, another one needs not.
"""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Optional

from .audit_logging_facts import INFO_LEVEL, has_parser, logs, logs_info, may_print, needs_names
from .audit_logging_levels import gives_root_a_handler, held_back, logger_of
from .audit_rules import INFO
from .audit_source_facts import Called, Fault, SourceFacts, is_tested, spelled, text_of
from .source_tree import SourceFile

_FILE_HANDLERS = {
    "logging.FileHandler",
    *(f"logging.handlers.{name}FileHandler" for name in ("Rotating", "TimedRotating", "Watched")),
    *(f"concurrent_log_handler.Concurrent{name}FileHandler" for name in ("Rotating", "TimedRotating")),
}
#: What is a file by its name alone, and leads to where the output goes anyhow, or nowhere.
_NO_FILE = re.compile(r"/dev/(?:null|stdout|stderr|fd/|log\Z|pts/|tty)|/proc/self/fd/|nul\Z", re.IGNORECASE)
#: Options of loguru's ``add`` that only a file can have.
_OF_FILES = ("rotation", "retention", "compression")
_LOGS = {"debug", "info", "warning", "warn", "error", "critical", "fatal", "exception", "log"}
_IMPLICIT = {f"logging.{name}" for name in _LOGS}
_CONFIGURES = {"logging.config.fileConfig", "logging.basicConfig"}


@dataclass
class Logging:
    """What all files of an application have to do with logging; ``add`` takes them one by one."""

    faults: list[Fault] = field(default_factory=list)
    #: First places of use, by library.
    used: dict[str, tuple[str, int]] = field(default_factory=dict)
    #: A file that logs by stdlib logging.
    logging: str = ""
    modules: set[str] = field(default_factory=set)
    is_joined: bool = False
    sets_level: bool = False
    logs_info: bool = False
    #: The root logger gets a handler on purpose, or by the first call of logging.info() and its kin.
    configures: bool = False
    has_handler: bool = False
    without_level: list[tuple[str, int]] = field(default_factory=list)
    unless_root: list[Fault] = field(default_factory=list)
    #: Whether a file reads the arguments of a command line.
    is_command: bool = False
    #: What files print, each with whether it begins with a level.
    printed: dict[str, list[tuple[int, bool]]] = field(default_factory=dict)
    _prints: bool = False

    def wants(self, file: SourceFile, content: bytes) -> bool:
        """Take what the bytes of a file show, and return whether its syntax tree is needed."""
        if logs(content):
            self.logs_info = self.logs_info or logs_info(content)
            self.logging = self.logging or file.path
        self.is_command = self.is_command or has_parser(content)
        self._prints = may_print(content) and not _TOOL_FILE.match(os.path.relpath(file.path, file.root))
        return self._prints or needs_names(content)

    def add(self, facts: SourceFacts) -> None:
        """Look at one file, the last that was wanted; its names are needed only where :func:`needs_names` says so."""
        for rule, find in _IN_A_FILE.items():
            found = list(find(facts))
            if found:
                line, text = found[0]
                self.faults.append(Fault(rule, facts.path, line, text, len(found)))
        if self._prints:
            self.printed[facts.path] = list(printed_records(facts))
        self._levels(facts)
        self._across(facts)

    def _levels(self, facts: SourceFacts) -> None:
        """SB205."""
        for wanted, faults in ((False, self.faults), (True, self.unless_root)):
            held = [one for one in held_back(facts) if one.unless_root is wanted]
            if held:
                # Who lets through more than INFO and holds that back again, loses nothing that he would look for.
                worst = max(held, key=lambda one: one.handlers > INFO_LEVEL)
                severity = "" if worst.handlers > INFO_LEVEL else INFO
                faults.append(Fault("SB205", facts.path, worst.line, worst.text, len(held), severity))

    def _across(self, facts: SourceFacts) -> None:
        self.modules.update(name.partition(".")[0] for name in facts.imports)
        for call in facts.calls:
            self._call(facts, call)
        self.is_joined = self.is_joined or _joins(facts)
        self.sets_level = self.sets_level or "level" in facts.assigned_attributes
        effective = [call for call in _basic_configs(facts) if not _is_late(facts, call)]
        for call in effective:
            if call.argument("level") is None and not call.passes_unknown:
                self.without_level.append((facts.path, call.line))
            else:
                self.sets_level = True

    def _call(self, facts: SourceFacts, call: Called) -> None:
        top = call.target.partition(".")[0]
        if top in ("structlog", "loguru"):
            self.used.setdefault(top, (facts.path, call.line))
        if call.target in _CONFIGURES or (call.method == "addHandler" and logger_of(facts, call) == ""):
            self.configures = True
        self.has_handler = self.has_handler or self.configures or call.target in _IMPLICIT
        if call.target == "logging.config.dictConfig" and gives_root_a_handler(facts, call):
            self.configures = True
        if call.target in ("logging.config.dictConfig", "logging.config.fileConfig"):
            self.sets_level = True
        if call.method == "setLevel" and "handler" not in call.receiver.lower():
            self.sets_level = True

    def judge(self, dependencies_log: Callable[[frozenset[str]], str] = lambda modules: "") -> list[Fault]:
        """Return all faults; ``dependencies_log`` names a distribution among those that bring ``modules`` which logs by itself."""
        found = [*self.faults, *([] if self.configures or self.has_handler else self.unless_root)]
        if self.logs_info and not self.sets_level:
            by_file: dict[str, list[int]] = {}
            for path, line in self.without_level:
                by_file.setdefault(path, []).append(line)
            text = "basicConfig sets no level, and nothing else does: the root logger stays at WARNING, INFO is lost"
            found += [Fault("SB204", path, lines[0], text, len(lines)) for path, lines in by_file.items()]
        found += [*self._unjoined(dependencies_log), *self._logged_by_print()]
        return found

    def _logged_by_print(self) -> Iterator[Fault]:
        """SB209.

        What logs nowhere tells by print() whatever it tells: that counts where it has a level, and not at all of a command.
        """
        logs_elsewhere = bool(self.logging or self.used)
        for path, printed in self.printed.items():
            lines = [line for line, has_level in printed if logs_elsewhere or (has_level and not self.is_command)]
            if lines:
                yield Fault("SB209", path, lines[0], "print() is used as logging", len(lines))

    def _unjoined(self, dependencies_log: Callable[[frozenset[str]], str]) -> Iterator[Fault]:
        """SB206."""
        libraries = [name for name in ("structlog", "loguru") if name in self.used]
        if self.is_joined or not libraries:
            return
        path, line = self.used[libraries[0]]
        other = f"{self.logging} logs by logging"
        if not self.logging:
            distribution = dependencies_log(frozenset(self.modules))
            if not distribution:
                return
            other = f"{distribution}, which it imports, logs by logging"
        lost = "" if self.configures else ", of which nothing below WARNING shows"
        text = f"{libraries[0]} is used here, {other}{lost}, and nothing joins them"
        # Where logging has a handler of its own nothing is lost, there are only two ways out.
        yield Fault("SB206", path, line, text, 1, INFO if self.configures else "")


def _joins(facts: SourceFacts) -> bool:
    """Whether a file does something that joins structlog or loguru and logging."""
    if any(name.startswith(("structlog.stdlib", "structlog_")) or "Intercept" in name for name in facts.imports):
        return True
    if "ProcessorFormatter" in facts.attributes or any("Intercept" in one.name for one in facts.classes):
        return True
    for call in facts.calls:
        if call.target.startswith("structlog.stdlib"):
            return True
        if call.target == "loguru.logger.add" and _is_handler(facts, call.argument("sink", 0)):
            return True
    names = {spelled(base).rpartition(".")[2] for one in facts.classes for base in one.bases}
    return any(name.endswith("Handler") for name in names) and any(
        name.partition(".")[0] in ("structlog", "loguru") for name in facts.imports
    )


def _is_handler(facts: SourceFacts, node: Optional[ast.expr]) -> bool:
    if isinstance(node, ast.Call):
        return spelled(node.func).endswith("Handler")
    return "handler" in spelled(node).lower()


# SB203


def _literal_file(node: ast.expr) -> Optional[bool]:
    """Whether an expression names a file by itself, at least a part of its name; ``None`` when another part of the source does."""
    text = text_of(node)
    if text is not None:
        return not _NO_FILE.match(text)
    if isinstance(node, ast.Constant) or spelled(node) == "os.devnull":
        return False
    if isinstance(node, (ast.Name, ast.Attribute)):
        return None
    if isinstance(node, (ast.JoinedStr, ast.BinOp, ast.Call)):
        texts = [text for one in ast.walk(node) if (text := text_of(one)) and re.search(r"\w", text)]
        getter = isinstance(node, ast.Call) and spelled(node.func).rpartition(".")[2] in (
            "get",
            "getenv",
            "getattr",
            "pop",
        )
        return None if getter or not texts else not any(map(_NO_FILE.match, texts))
    return None


def _default_of(call: Called, name: str) -> tuple[bool, Optional[ast.expr]]:
    """Return whether a name is a parameter of the function around a call, and its default value."""
    function = call.place.function()
    if function is None:
        return False, None
    arguments = function.args
    plain = [*getattr(arguments, "posonlyargs", []), *arguments.args]
    defaults = dict(zip((one.arg for one in reversed(plain)), reversed(arguments.defaults)))
    defaults.update((one.arg, value) for one, value in zip(arguments.kwonlyargs, arguments.kw_defaults) if value)
    return name in {one.arg for one in (*plain, *arguments.kwonlyargs)}, defaults.get(name)


def _is_switched_on(call: Called) -> bool:
    """Whether it is done only when a parameter says so that does not say so by default."""
    for place in call.place.around():
        names = ast.walk(place.node.test) if isinstance(place.node, ast.If) else ()
        for name in {spelled(one) for one in names if isinstance(one, ast.Name)}:
            default = _default_of(call, name)[1]
            if isinstance(default, ast.Constant) and not default.value:
                return True
    return False


def _names_a_file(facts: SourceFacts, call: Called, node: Optional[ast.expr]) -> bool:
    """Whether the source itself says into which file; one that is an option, and may be none, is no finding."""
    while isinstance(node, ast.Call) and len(node.args) == 1 and _literal_file(node) is None:
        # Path(name), os.path.expanduser(name)
        (node,) = node.args
    if node is None:
        return False
    if is_tested(call.place, {spelled(one) for one in ast.walk(node) if isinstance(one, (ast.Name, ast.Attribute))}):
        return False
    if _is_switched_on(call):
        return False
    literal, name = _literal_file(node), spelled(node)
    if literal is not None or not name:
        return bool(literal)
    is_parameter, default = _default_of(call, name)
    if is_parameter:
        return default is not None and _literal_file(default) is True
    return any(_literal_file(value) for _place, value in facts.assigned.get(name, []))


def logs_to_files(facts: SourceFacts) -> Iterator[tuple[int, str]]:
    """SB203."""
    for call in facts.calls:
        kind = call.target.rpartition(".")[2]
        if call.target in _FILE_HANDLERS and _names_a_file(facts, call, call.argument("filename", 0)):
            yield call.line, f"{kind} writes records into a file"
        elif call.target == "logging.basicConfig" and _names_a_file(facts, call, call.argument("filename")):
            yield call.line, "basicConfig writes records into a file"
        elif call.target == "loguru.logger.add":
            sink, of_files = call.argument("sink", 0), any(map(call.argument, _OF_FILES))
            unknown = sink is not None and _literal_file(sink) is None and not is_tested(call.place, [spelled(sink)])
            if (_names_a_file(facts, call, sink) and not _is_stream(sink)) or (of_files and unknown):
                yield call.line, "loguru writes records into a file"
    for one in facts.dicts:
        items = {text_of(key): value for key, value in zip(one.keys, one.values)}
        kind = text_of(items.get("class")) or ""
        if kind in _FILE_HANDLERS and _literal_file(items.get("filename") or one) and _is_named(facts, one):
            yield one.lineno, f"{kind.rpartition('.')[2]} of a configuration writes records into a file"


def _is_stream(node: Optional[ast.expr]) -> bool:
    """Whether a sink is made by something else than a path."""
    return isinstance(node, ast.Call) and not re.search(
        r"(?:\A|\.)(?:Path|PurePath|join|joinpath|str|format|abspath|expanduser|resolve|fspath)\Z",
        spelled(node.func) or "str",
    )


def _is_named(facts: SourceFacts, handler: ast.Dict) -> bool:
    """Whether something lists a handler of a configuration by its name."""
    for one in facts.dicts:
        for key, value in zip(one.keys, one.values):
            if value is handler:
                return text_of(key) in facts.listed
    return False


# SB204


def _basic_configs(facts: SourceFacts) -> list[Called]:
    return [call for call in facts.calls if call.target == "logging.basicConfig"]


def _installs(call: Called) -> bool:
    """Whether the root logger surely has a handler after a call."""
    if not call.is_statement:
        return False
    if call.target == "logging.basicConfig":
        handlers = call.argument("handlers")
        some = handlers is None or (isinstance(handlers, ast.List) and bool(handlers.elts))
        return some and not call.passes_unknown
    return call.target in _IMPLICIT


def _is_late(facts: SourceFacts, call: Called) -> Optional[Called]:
    """Return the call after which a ``basicConfig`` has no effect."""
    if call.argument("force") is not None or call.passes_unknown:
        return None
    # What takes handlers away again makes room for another configuration.
    if facts.attributes & {"handlers", "removeHandler", "reload", "shutdown"}:
        return None
    earlier = [one for one in facts.calls if _installs(one) and call.place.surely_after(one.place)]
    return min(earlier, key=lambda one: one.line, default=None)


def has_an_effect(facts: SourceFacts) -> Iterator[tuple[int, str]]:
    """SB204, as far as one file decides it."""
    for call in _basic_configs(facts):
        first = _is_late(facts, call)
        if first is not None:
            yield (
                call.line,
                f"basicConfig has no effect: {first.spelled} in line {first.line} has configured logging before",
            )


# SB209

_HARMLESS = {"EOFError", "ImportError", "KeyboardInterrupt", "ModuleNotFoundError", "StopIteration", "SystemExit"}
_TAGGED = re.compile(
    r"\s*[\[(<*!-]*\s*(?:DEBUG|INFO|WARN(?:ING)?|ERROR|CRITICAL|FATAL|(?:Debug|Info|Warning|Error)(?=:))\b"
)
_PRINTS = re.compile(
    r"print|show|display|dump|usage|help|report|summar|list|describe|format|view|render|write|emit|main\Z|cli|cmd|command"
    r"|prompt|ask|debug|trace|verbose|info|log|echo|banner|version|repl|interact|progress|status|test|download|install|demo|warn",
    re.IGNORECASE,
)
_TOOL_FILE = re.compile(
    r"(?:.*/)?(?:__main__|cli|cmd|command|commands|console|diagnose|diagnostics|ipython|manage|script|scripts|bin|tools?|utils?_cli)(?:/|\.py\Z)|.*_cli\.py\Z"
)
_VERBOSE = re.compile(r"verb|debug|trace|quiet|silent|show|print|disp|\bv\b|log", re.IGNORECASE)


def _says(call: Called) -> str:
    """Return the literal text that a call of ``print`` begins with."""
    first = call.node.args[0] if call.node.args else None
    while isinstance(first, ast.BinOp):
        first = first.left
    if isinstance(first, ast.Call) and isinstance(first.func, ast.Attribute):
        first = first.func.value
    if isinstance(first, ast.JoinedStr) and first.values:
        first = first.values[0]
    return text_of(first) or ""


def _is_record(call: Called) -> bool:
    """Whether what is printed tells of an error that was caught."""
    text = _says(call)
    handler = next((one.node for one in call.place.around() if isinstance(one.node, ast.ExceptHandler)), None)
    if handler is None or not text or _is_harmless(handler.type):
        return False
    names = {one.id for one in ast.walk(call.node) if isinstance(one, ast.Name)}
    return handler.name in names or len(text.split()) > 1


def _is_harmless(kind: Optional[ast.expr]) -> bool:
    """Whether what is caught is no error of the program: somebody ends it, or something is not installed."""
    kinds = kind.elts if isinstance(kind, ast.Tuple) else [kind]
    return any(spelled(one).rpartition(".")[2] in _HARMLESS for one in kinds)


def _is_meant(call: Called) -> bool:
    """Whether it stands where something is meant to be printed: in such a function, under such a test, or in the script's part."""
    for place in call.place.around():
        node = place.node
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) and _PRINTS.search(node.name):
            return True
        if isinstance(node, ast.If):
            named = [spelled(one) or text_of(one) or "" for one in ast.walk(node.test)]
            if "__name__" in named or any(map(_VERBOSE.search, named)):
                return True
    return False


def printed_records(facts: SourceFacts) -> Iterator[tuple[int, bool]]:
    """Yield the lines that print what others log, and whether it begins with a level."""
    calls = [call for call in facts.calls if call.spelled == "print" and call.place.function() is not None]
    for call in calls if "print" not in facts.bound else ():
        has_level = _TAGGED.match(_says(call)) is not None
        if call.argument("file") is None and (has_level or _is_record(call)) and not _is_meant(call):
            yield call.line, has_level


_IN_A_FILE: dict[str, Callable[[SourceFacts], Iterator[tuple[int, str]]]] = {
    "SB203": logs_to_files,
    "SB204": has_an_effect,
}
