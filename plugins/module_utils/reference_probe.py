# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program that an environment's interpreter runs to say what dotted names are there, and how functions are called.

Arguments: the file with the questions, the file that answers are appended to, the seconds that one import may take. Each
answer is a line of JSON, written at once, so that those before a crash are not lost. It runs on Python 3.6 and newer.
"""

from __future__ import annotations

PROBE = r'''
import faulthandler, importlib, inspect, json, os, sys, types, warnings

with open(sys.argv[1], encoding="utf-8") as stream:
    QUESTIONS = json.load(stream)
ANSWERS = os.open(sys.argv[2], os.O_WRONLY | os.O_APPEND)
LIMIT = float(sys.argv[3])
NOWHERE = open(os.devnull, "r+")
for number in range(3):
    os.dup2(NOWHERE.fileno(), number)
sys.argv[1:] = []
warnings.simplefilter("ignore")
LOADED = {}


def say(*what):
    os.write(ANSWERS, (json.dumps(what) + "\n").encode())


def told(error):
    lines = str(error).strip().splitlines()
    return type(error).__name__ + (": " + lines[0][:200] if lines else "")


def load(name):
    """Return (module, None), or (None, [verdict, why])."""
    if name not in LOADED:
        above = name.rpartition(".")[0]
        refused = load(above)[1] if above else None
        LOADED[name] = (None, refused) if refused and refused[0] == "failed" else fresh(name)
    return LOADED[name]


def watch():
    """End the process when it takes too long from here on, whatever holds it."""
    faulthandler.dump_traceback_later(LIMIT, exit=True, file=NOWHERE)


def fresh(name):
    say("import", name)
    watch()
    try:
        return importlib.import_module(name), None
    except ModuleNotFoundError as error:
        gone = error.name and (name + ".").startswith(error.name + ".")
        return None, ["gone" if gone else "failed", told(error)]
    except BaseException as error:
        return None, ["failed", told(error)]


def is_module(thing):
    return issubclass(type(thing), types.ModuleType) or any(thing is one for one in list(sys.modules.values()))


def submodule(owner, name):
    full = getattr(owner, "__name__", "") + "." + name
    return load(full) if "__path__" in getattr(owner, "__dict__", ()) else (None, ["gone", ""])


def of_module(owner, name):
    try:
        return getattr(owner, name), None
    except AttributeError:
        return submodule(owner, name)
    except ImportError as error:
        return None, ["failed", told(error)]
    except BaseException as error:
        return None, ["unknown", told(error)]


def of_class(owner, name):
    try:
        inspect.getattr_static(owner, name)
        static = True
    except AttributeError:
        static = False
    try:
        return getattr(owner, name), None
    except AttributeError:
        return None, ["ok" if static else "gone", ""]
    except BaseException as error:
        return None, ["ok" if static else "unknown", told(error)]


def of_instance(owner, name):
    """Never run a property: it is enough that it is there. What is None is filled in later."""
    if owner is None:
        return None, ["ok", ""]
    try:
        inspect.getattr_static(owner, name)
        return None, ["ok", ""]
    except AttributeError:
        kind = type(owner)
        dynamic = hasattr(kind, "__getattr__") or kind.__getattribute__ is not object.__getattribute__
        plain = kind in (types.FunctionType, types.BuiltinFunctionType)
        return None, ["ok" if dynamic and not plain else "gone", ""]


def step(owner, name):
    if is_module(owner):
        return of_module(owner, name)
    return of_class(owner, name) if issubclass(type(owner), type) else of_instance(owner, name)


def resolve(module, chain):
    """Return verdict, why, how many parts of the chain are there, and the thing."""
    thing, refused = load(module)
    if refused:
        return refused[0], refused[1], -1, None
    for depth, name in enumerate(chain):
        thing, refused = step(thing, name)
        if refused:
            return refused[0], refused[1], depth, None
    return "ok", "", len(chain), thing


def kind_of(thing):
    if inspect.isclass(thing):
        return "class"
    if not (inspect.isroutine(thing) or type(thing).__name__ == "partial"):
        return ""
    for kind, test in (("generator", inspect.isgeneratorfunction), ("coroutine", inspect.iscoroutinefunction),
                       ("asynchronous generator", inspect.isasyncgenfunction)):
        if test(thing):
            return kind
    return "function"


def signature_of(thing):
    if sys.version_info >= (3, 14):
        import annotationlib
        return inspect.signature(thing, annotation_format=annotationlib.Format.STRING)
    return inspect.signature(thing)


def described(thing):
    kind = kind_of(thing)
    if not kind:
        return None
    try:
        signature = signature_of(thing)
    except (TypeError, ValueError):
        return {"kind": kind, "text": "", "returns": "", "parameters": None}
    returns = signature.return_annotation
    return {
        "kind": kind, "text": str(signature)[:400],
        "returns": "" if returns is signature.empty else inspect.formatannotation(returns)[:400],
        "parameters": [[one.name, int(one.kind), one.default is not one.empty] for one in signature.parameters.values()],
    }


say("python", list(sys.version_info[:2]))
for number, (module, chain, called) in enumerate(QUESTIONS):
    load(module)
    say("ask", number)
    watch()
    verdict, why, depth, thing = resolve(module, chain)
    facts = None
    if called and verdict == "ok" and thing is not None:
        try:
            facts = described(thing)
        except BaseException:
            facts = None
    say("answer", number, verdict, why, depth, facts)
say("done")
os._exit(0)
'''
