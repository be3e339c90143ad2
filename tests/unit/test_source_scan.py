# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the scanner sees in a source file: uses, scopes, guards, calls."""

from __future__ import annotations

import ast
import sys
import textwrap

import pytest
from ansible_collections.stability.baseline.plugins.module_utils.source_scan import scan
from ansible_collections.stability.baseline.plugins.module_utils.source_tree import (
    UnreadableSource,
    parse_source,
)
from ansible_collections.stability.baseline.plugins.module_utils.source_uses import Call, Scan


def scanned(source: str, package: tuple[str, ...] = ()) -> Scan:
    return scan(ast.parse(textwrap.dedent(source)), package)


def uses(source: str, package: tuple[str, ...] = ()) -> list[str]:
    """Return line and dotted names of each unguarded use; alternatives are joined by ``|``."""
    return [
        f"{use.line} {'|'.join(target.dotted for target in use.targets)}"
        for use in scanned(source, package).uses
        if not use.guarded
    ]


SEEN = {
    "import": ("import np", ["1 np"]),
    "import of a submodule": ("import a.b\na.b.c", ["1 a.b", "2 a.b.c"]),
    "import as": ("import a.b as x\nx.c", ["1 a.b", "2 a.b.c"]),
    "chain": ("import np\nnp.linalg.norm", ["1 np", "2 np.linalg.norm"]),
    "from": ("from a import b, c as d\nd.e", ["1 a.b", "1 a.c", "2 a.c.e"]),
    "from and call": ("from a import b\nb()", ["1 a.b", "2 a.b"]),
    "chain through a call is cut": ("import np\nnp.f().g", ["1 np", "2 np.f"]),
    "chain through a subscript is cut": ("import np\nnp.f[0].g", ["1 np", "2 np.f"]),
    "argument": ("import np\nprint(x=np.a, *np.b)", ["1 np", "2 np.a", "2 np.b"]),
    "decorator": ("import np\n@np.d\ndef f(): pass", ["1 np", "2 np.d"]),
    "base class": ("import np\nclass A(np.B, metaclass=np.M): pass", ["1 np", "2 np.B", "2 np.M"]),
    "default value": ("import np\ndef f(np=np.d): np.e", ["1 np", "2 np.d"]),
    "annotation": ("import np\ndef f(a: np.A) -> np.B: pass", ["1 np", "2 np.A", "2 np.B"]),
    "annotated assignment in a class": ("import np\nclass A:\n  a: np.A = np.B", ["1 np", "3 np.A", "3 np.B"]),
    "inside a function": ("import np\ndef f():\n  return np.a", ["1 np", "3 np.a"]),
    "inside a method": ("import np\nclass A:\n  def f(self): np.a", ["1 np", "3 np.a"]),
    "inside a lambda": ("import np\nlambda x: np.a(x)", ["1 np", "2 np.a"]),
    "inside a comprehension": ("import np\n[np.a(x) for x in np.b]", ["1 np", "2 np.a", "2 np.b"]),
    "inside an f-string": ('import np\nf"{np.a}"', ["1 np", "2 np.a"]),
    "import in a function": ("def f():\n  import np\n  np.a", ["2 np", "3 np.a"]),
    "import in a class": ("class A:\n  import np\n  x = np.a", ["2 np", "3 np.a"]),
    "global": ("def f():\n  global np\n  import np\ndef g(): np.a", ["3 np", "4 np.a"]),
    "nonlocal": ("def f():\n  import np\n  def g():\n    nonlocal np\n    np.a", ["2 np", "5 np.a"]),
    "assignment to an attribute of it": ("import np\nnp.a.b = 1", ["1 np", "2 np.a"]),
    "relative": ("from . import a\nfrom .b import c\nfrom ..d import e", ["1 p.q.a", "2 p.q.b.c", "3 p.d.e"]),
    "two imports": (
        "import x\nif x:\n  import a as m\nelse:\n  import b as m\nm.c",
        ["1 x", "3 a", "5 b", "6 a.c|b.c"],
    ),
    "absent is None": ("m = None\nimport m\nm.a", ["2 m", "3 m.a"]),
    "errors that have nothing to do with it": ("import np\ntry:\n  np.a\nexcept KeyError: pass", ["1 np", "3 np.a"]),
    "handler that only raises": (
        "try:\n  import np\n  np.a\nexcept ImportError as e:\n  raise RuntimeError from e",
        ["2 np", "3 np.a"],
    ),
    "finally": ("import np\ntry: pass\nexcept Exception: pass\nfinally: np.a", ["1 np", "4 np.a"]),
    "optional import, used": ("try:\n  import np\nexcept ImportError:\n  np = None\nnp.a", ["5 np.a"]),
    "a test of something else": ("import np, os\nif os.name == 'nt': np.a", ["1 np", "1 os", "2 np.a", "2 os.name"]),
    "behind a refused version": (
        "import np\nif np.__version__ < '2':\n  raise RuntimeError\nnp.a",
        ["1 np", "2 np.__version__", "4 np.a"],
    ),
    "getattr without a default does not look for it": ("import np\ngetattr(np, 'a')\nnp.a", ["1 np", "3 np.a"]),
}


@pytest.mark.parametrize(("source", "expected"), SEEN.values(), ids=SEEN)
def test_uses_are_seen(source: str, expected: list[str]) -> None:
    assert uses(source, ("p", "q")) == expected


#: ``np.a`` stands in each, and is not known to be that of the import.
HIDDEN = {
    "parameter": "import np\ndef f(np): np.a",
    "keyword-only parameter": "import np\ndef f(*, np): np.a",
    "rest of the arguments": "import np\ndef f(*np): np.a",
    "rest of the options": "import np\ndef f(**np): np.a",
    "parameter of a lambda": "import np\nlambda np: np.a",
    "local variable": "import np\ndef f():\n  np = 1\n  np.a",
    "local variable, assigned below": "import np\ndef f():\n  np.a\n  np = 1",
    "reassigned": "import np\nnp = f()\nnp.a",
    "reassigned in a function": "import np\ndef f():\n  global np\n  np = 1\nnp.a",
    "augmented": "import np\nnp += 1\nnp.a",
    "unpacked": "import np\n(x, [np, *y]) = z\nnp.a",
    "annotated": "import np\nnp: int = 1\nnp.a",
    "walrus": "import np\nif (np := 1): np.a",
    "walrus in a comprehension": "import np\n[(np := x) for x in y]\nnp.a",
    "loop variable": "import np\nfor np in x: np.a",
    "variable of a comprehension": "import np\n[np.a for np in x]",
    "variable of a dict comprehension": "import np\n{np.a: np.b for np in x}",
    "with": "import np\nwith x as np: np.a",
    "exception": "import np\ntry: pass\nexcept KeyError as np: np.a",
    "function": "import np\ndef np(): pass\nnp.a",
    "class": "import np\nclass np: pass\nnp.a",
    "deleted": "import np\ndel np\nnp.a",
    "class body is not seen by its methods": "class A:\n  import np\n  def f(self): np.a",
    "name of a class body": "import np\nclass A:\n  np = 1\n  np.a",
    "star import that may bring it": "import np\nfrom x import *\nnp.a",
    "only a star import": "from x import *\nnp.a",
    "unknown": "np.a",
    "import of another function": "def f(): import np\ndef g(): np.a",
    "relative import that leads nowhere": "from ..... import np\nnp.a",
    "annotation that is never evaluated": "from __future__ import annotations\nimport np\ndef f(x: np.a): pass",
    "annotation of a local variable": "import np\ndef f():\n  x: np.a = 1",
    "from import of the future": "from __future__ import annotations",
}


@pytest.mark.parametrize("source", HIDDEN.values(), ids=HIDDEN)
def test_a_name_that_may_be_something_else_is_not_seen(source: str) -> None:
    assert not [use for use in uses(source, ("p",)) if ".a" in use or "future" in use]


#: In each, ``np.a`` may be missing without harm.
GUARDED = {
    "try": "try:\n  np.a\nexcept AttributeError: pass",
    "try with a tuple": "try:\n  np.a\nexcept (KeyError, ImportError): pass",
    "try with Exception": "try:\n  np.a\nexcept Exception: pass",
    "bare try": "try:\n  np.a\nexcept: pass",
    "handler": "try: pass\nexcept ImportError:\n  np.a",
    "else of try": "try: pass\nexcept ImportError: pass\nelse: np.a",
    "function inside a try": "try:\n  def f(): np.a\nexcept ImportError: pass",
    "suppress": "with contextlib.suppress(AttributeError): np.a",
    "raises": "with pytest.raises(AttributeError): np.a",
    "hasattr": "if hasattr(np, 'a'): np.a",
    "else of hasattr": "if hasattr(np, 'b'): pass\nelse: np.a",
    "not hasattr": "if not hasattr(np, 'b'): np.a",
    "hasattr of a name that is not written out": "if hasattr(np, name): np.a",
    "hasattr and": "hasattr(np, 'b') and np.a",
    "hasattr in an expression": "np.a if hasattr(np, 'b') else 1",
    "hasattr in a comprehension": "[np.a for x in y if hasattr(np, x)]",
    "hasattr, then return": "def f():\n  if not hasattr(np, 'b'):\n    return 1\n  return np.a",
    "hasattr, then continue": "for x in y:\n  if hasattr(np, 'b'): continue\n  np.a",
    "while": "while hasattr(np, 'b'): np.a",
    "getattr with a default": "if getattr(np, 'b', None): np.a",
    "dir": "if 'b' in dir(np): np.a",
    "find_spec": "if importlib.util.find_spec('x'): np.a",
    "sys.modules": "import sys\nif 'x' in sys.modules: np.a",
    "TYPE_CHECKING": "if TYPE_CHECKING: np.a",
    "typing.TYPE_CHECKING": "import typing\nif typing.TYPE_CHECKING: np.a",
    "else of TYPE_CHECKING": "if TYPE_CHECKING: pass\nelse: np.a",
    "not TYPE_CHECKING": "if not TYPE_CHECKING: pass\nelse: np.a",
    "version_info": "import sys\nif sys.version_info >= (3, 8): np.a",
    "else of version_info": "import sys\nif sys.version_info >= (3, 8): pass\nelse: np.a",
    "elif": "import sys\nif x: pass\nelif sys.version_info >= (3, 8): pass\nelse: np.a",
    "__version__": "if np.__version__ >= '2': np.a",
    "metadata.version": "from importlib import metadata\nif metadata.version('np') >= '2': np.a",
    "version of importlib.metadata": "from importlib.metadata import version\nif version('np') >= '2': np.a",
    "Version": "from packaging.version import Version as V\nif V(np.__version__) >= V('2'): np.a",
    "flag": "OLD = np.__version__ < '2'\nif OLD: np.a",
    "flag by way of another": "v = parse(np.__version__)\nt = v.release\nOLD = t < (2,)\nif not OLD: np.a",
    "flag from try": "try:\n  import x\n  HAS = True\nexcept ImportError:\n  HAS = False\nif HAS: np.a",
    "flag from a test": "import sys\nif sys.version_info > (3,):\n  NEW = True\nelse:\n  NEW = False\nif NEW: np.a",
    "flag used in a function": "OLD = np.__version__ < '2'\ndef f():\n  if OLD: np.a",
    "imported flag": "from compat import NUMPY_LT_2\nif NUMPY_LT_2: np.a",
    "flag of an imported module": "import six\nif six.PY2: np.a",
    "function that tells": "def is_old(): return np.__version__ < '2'\nif is_old(): np.a",
    "imported function that tells": "from x import is_torch_available\nif is_torch_available(): np.a",
    "skipif": "@pytest.mark.skipif(np.__version__ < '2', reason='')\ndef f(): np.a",
    "behind return": "def f():\n  if np.__version__ < '2': return\n  np.a",
    "skip": "def f():\n  if np.__version__ < '2': pytest.skip()\n  np.a",
}


@pytest.mark.parametrize("source", GUARDED.values(), ids=GUARDED)
def test_what_a_guard_holds_is_marked(source: str) -> None:
    found = scanned(f"import np\n{source}").uses
    assert [use.guarded for use in found if use.spelled == "np.a"] == [True]


GUARDED_IMPORTS = {
    "try": "try: import np\nexcept ImportError: pass",
    "fallback": "try: pass\nexcept ImportError: import np",
    "TYPE_CHECKING": "if TYPE_CHECKING: import np",
    "version": "import sys\nif sys.version_info > (3, 9): import np",
}


@pytest.mark.parametrize("source", GUARDED_IMPORTS.values(), ids=GUARDED_IMPORTS)
def test_guarded_imports_are_marked(source: str) -> None:
    assert [use.guarded for use in scanned(source).uses if use.spelled == "np"] == [True]


def test_a_name_imported_for_type_checkers_means_nothing_at_run_time() -> None:
    assert uses("if TYPE_CHECKING:\n  import np\ndef f(x: np.a): pass") == []


PROVIDED = {
    "hasattr": "hasattr(np, 'a')",
    "getattr with a default": "getattr(np.b, 'a', 1)",
    "setattr": "setattr(np, 'a', 1)",
    "assigned": "np.a = 1",
    "deleted": "del np.a",
}


@pytest.mark.parametrize("source", PROVIDED.values(), ids=PROVIDED)
def test_names_that_a_file_looks_for_or_sets_are_told(source: str) -> None:
    (name,) = scanned(f"import np\n{source}").provided
    assert name in ("np.a", "np.b.a")


CALLS = {
    "np.f()": Call(0),
    "np.f(1, 2, x=3)": Call(2, ("x",)),
    "np.f(*a, x=1)": Call(0, ("x",), complete=False),
    "np.f(1, **k)": Call(1, (), complete=False),
    "np.f": None,
}


@pytest.mark.parametrize(("source", "expected"), CALLS.items(), ids=CALLS)
def test_calls_tell_what_they_pass(source: str, expected: Call | None) -> None:
    assert [use.call for use in scanned(f"import np\n{source}").uses if use.spelled == "np.f"] == [expected]


NEWER = {
    "match": (
        (3, 10),
        "import np\nmatch x:\n  case [1, *y]: np.a\n  case {'k': 1, **z}: np.b",
        ["1 np", "3 np.a", "4 np.b"],
    ),
    "match, used": ((3, 10), "import np\nmatch x:\n  case np.A(): np.a", ["1 np", "3 np.A", "3 np.a"]),
    "except*": ((3, 11), "import np\ntry: np.a\nexcept* AttributeError: pass", ["1 np"]),
    "type parameter": ((3, 12), "import np\ndef f[np](x: np.a): pass", ["1 np"]),
    "type alias": ((3, 12), "import np\ntype np = int\nnp.a", ["1 np"]),
}


@pytest.mark.parametrize(("since", "source", "expected"), NEWER.values(), ids=NEWER)
def test_newer_syntax_is_understood(since: tuple[int, int], source: str, expected: list[str]) -> None:
    if sys.version_info < since:
        with pytest.raises(UnreadableSource, match="line"):
            parse_source(source.encode())
    else:
        assert uses(source) == expected


def test_an_annotation_is_marked() -> None:
    found = scanned("import np\ndef f(x: np.a): np.b").uses
    assert {use.spelled: use.annotation for use in found} == {"np": False, "np.a": True, "np.b": False}


def test_a_long_expression_is_no_problem() -> None:
    assert uses(f"import np\nx = {'np.a + ' * 900}1").count("2 np.a") == 900
