# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Popular claims about memory, each with the experiment that decides it: as a program it prints which of them hold on the Python it runs on.

It runs on Python 3.8 and newer. Each experiment has a process of its own: some leave the collector in a state that no other one wants.
"""

import asyncio
import functools
import gc
import json
import os
import subprocess
import sys
import threading
import traceback
import warnings
import weakref

CLAIMS = {}
"""Function by claim, in the order of the page."""
WAIT = 0.2
RAN = []


def claim(text):
    def add(function):
        CLAIMS[text] = function
        return function

    return add


class Thing:
    """Anything that can be in a cycle."""

    def __init__(self):
        self.me = self


class Single:
    """Anything that is in none."""


def is_gone(reference):
    gc.collect()
    return reference() is None


def ends(code, ending="pass"):
    """Return what a program prints in which ``code`` has run and that ends by ``ending``."""
    program = [sys.executable, "-c", f"import os, signal, weakref\n{code}\n{ending}\n"]
    return subprocess.run(program, capture_output=True, text=True, check=False)


# __del__


class Counted(Thing):
    def __del__(self):
        RAN.append(threading.get_ident())


@claim("A cycle of objects with `__del__` is never freed")
def cycle_with_del():
    reference = weakref.ref(Counted())
    return not is_gone(reference)


@claim("A cycle of objects with `__del__` ends in `gc.garbage`")
def garbage_with_del():
    Counted()
    gc.collect()
    return bool(gc.garbage)


@claim("An object that its `__del__` brings back to life stays")
def resurrected():
    kept = []

    class Back(Thing):
        def __del__(self):
            kept.append(self)

    Back()
    gc.collect()
    return len(kept) == 1


@claim("The `__del__` of an object that was brought back runs again at its second end")
def runs_twice():
    kept = []

    class Back(Thing):
        def __del__(self):
            kept.append(1)
            Back.last = self

    Back()
    gc.collect()
    Back.last = None
    gc.collect()
    return len(kept) == 2


@claim("`__del__` runs in the thread that made the object")
def in_its_thread():
    Counted()
    thread = threading.Thread(target=gc.collect)
    thread.start()
    thread.join()
    return [threading.get_ident()] == RAN


@claim("The collector may run a `__del__` while the code that it interrupts holds a lock")
def while_locked():
    lock, waited = threading.Lock(), []

    class Locking(Thing):
        def __del__(self):
            waited.append(not lock.acquire(timeout=WAIT))
            if not waited[-1]:
                lock.release()

    gc.disable()
    with lock:
        Locking()
        gc.enable()
        gc.set_threshold(1)
        kept = [[] for _number in range(10_000)]
    return bool(kept) and waited == [True]


@claim("An exception in `__del__` reaches the code that let go of the object")
def raises():
    seen = []
    sys.unraisablehook = seen.append

    class Failing:
        def __del__(self):
            raise ValueError

    try:
        Failing()
    except ValueError:
        return True
    return not seen


@claim("An `async def __del__` is run")
def asynchronous():
    ran = []

    class Async:
        async def __del__(self):
            ran.append(1)

    async def main():
        Async()
        await asyncio.sleep(0)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        asyncio.run(main())
    return bool(ran)


_DEL = "class Told:\n    def __del__(self): os.write(1, b'told')\ntold = Told()"
_FINALIZE = "class Told: pass\ntold = Told()\nweakref.finalize(told, os.write, 1, b'told')"


@claim("`__del__` runs when the program ends by SIGTERM")
def at_sigterm():
    return ends(_DEL, "os.kill(os.getpid(), signal.SIGTERM)").stdout == "told"


@claim("`weakref.finalize` runs at the end of the program at the latest")
def finalized_at_exit():
    return ends(_FINALIZE).stdout == "told"


@claim("`weakref.finalize` runs when the program ends by SIGTERM")
def finalized_at_sigterm():
    return ends(_FINALIZE, "os.kill(os.getpid(), signal.SIGTERM)").stdout == "told"


# weakref.finalize


class Closed(Single):
    def close(self):
        RAN.append(1)


@claim("`weakref.finalize(self, self.close)` runs when nothing else refers to the object")
def bound_method():
    one = Closed()
    weakref.finalize(one, one.close)
    del one
    gc.collect()
    return bool(RAN)


@claim("`weakref.finalize(self, function, what it needs)` runs when nothing else refers to the object")
def function_of_its_own():
    one, ran = Closed(), []
    weakref.finalize(one, ran.append, 1)
    del one
    return ran == [1]


# The collector


@claim("`del` frees an object at once, also one in a cycle")
def deleted():
    gc.disable()
    one = Thing()
    reference = weakref.ref(one)
    del one
    return reference() is None


@claim("With `gc.disable()` nothing is freed any more")
def disabled_for_all():
    gc.disable()
    reference = weakref.ref(Single())
    return reference() is not None


def _automatic():
    """Whether the collector runs by itself."""
    reference = weakref.ref(Thing())
    kept = [[] for _number in range(200_000)]
    return bool(kept) and reference() is None


@claim("With `gc.disable()` no cycle is freed by itself")
def disabled_for_cycles():
    works = _automatic()
    gc.disable()
    return works and not _automatic()


@claim("`gc.set_threshold(0)` does the same")
def threshold():
    works = _automatic()
    gc.set_threshold(0)
    return works and not _automatic()


@claim("`gc.collect()` frees cycles also after `gc.disable()`")
def collected_by_hand():
    gc.disable()
    return is_gone(weakref.ref(Thing()))


@claim("After `gc.freeze()` no cycle is freed any more")
def frozen_for_new():
    gc.freeze()
    return not is_gone(weakref.ref(Thing()))


@claim("A cycle that is garbage at `gc.freeze()` is never freed")
def frozen_garbage():
    gc.disable()
    reference = weakref.ref(Thing())
    gc.freeze()
    gc.enable()
    return not is_gone(reference)


@claim("A cycle that is in use at `gc.freeze()` is freed later")
def frozen_in_use():
    one = Thing()
    reference = weakref.ref(one)
    gc.freeze()
    del one
    return is_gone(reference)


@claim("An object in no cycle that is in use at `gc.freeze()` is freed later")
def frozen_single():
    one = Single()
    reference = weakref.ref(one)
    gc.freeze()
    del one
    return reference() is None


@claim("`gc.DEBUG_SAVEALL` keeps all cycles in `gc.garbage`")
def saved():
    gc.set_debug(gc.DEBUG_SAVEALL)
    Thing()
    gc.collect()
    return any(isinstance(one, Thing) for one in gc.garbage)


@claim("`gc.get_objects(generation=2)` has what outlived a collection")
def oldest_generation():
    one = Thing()
    gc.collect()
    return any(other is one for other in gc.get_objects(generation=2))


# Caches


class Cached(Single):
    without_bound = functools.lru_cache(maxsize=None)(lambda self: 1)
    of_ten = functools.lru_cache(maxsize=10)(lambda self: 1)

    @functools.cached_property
    def of_its_own(self):
        return 1


def _left(use, number=100):
    """Return how many of so many objects are there after their use."""
    references = []
    for _number in range(number):
        one = Cached()
        use(one)
        references.append(weakref.ref(one))
    del one
    gc.collect()
    return sum(reference() is not None for reference in references)


@claim("`lru_cache(maxsize=None)` on a method keeps every object that it was called on")
def cached_without_bound():
    return _left(Cached.without_bound) == 100


@claim("`lru_cache(maxsize=10)` on a method keeps the last ten")
def cached_with_bound():
    return _left(Cached.of_ten) == 10


@claim("`functools.cached_property` keeps its object")
def cached_property_keeps():
    return _left(lambda one: one.of_its_own) > 0


# Exceptions


def caught(keep, context=False):
    """Return a reference to a variable of a frame in which an exception was raised that ``keep`` was given."""

    def fail():
        one = Single()
        references.append(weakref.ref(one))
        if not context:
            raise ValueError
        try:
            raise KeyError
        except KeyError:
            raise ValueError from None

    references = []
    try:
        fail()
    except ValueError as error:
        keep(error)
    return references[0]


@claim("An exception that is caught and not kept leaves its frames behind")
def not_kept():
    gc.disable()
    return caught(lambda error: None)() is not None


@claim("An exception that is kept keeps the variables of its frames")
def kept_exception():
    kept = []
    return not is_gone(caught(kept.append))


@claim("`str(error)` or `traceback.format_exc()` keeps them, too")
def kept_text():
    kept = []
    return not is_gone(caught(lambda error: kept.extend((str(error), traceback.format_exc()))))


@claim("`error.with_traceback(None)` lets go of them")
def without_traceback():
    kept = []
    return is_gone(caught(lambda error: kept.append(error.with_traceback(None))))


@claim("`error.with_traceback(None)` lets go of the frames of the exception that was handled then, too")
def without_traceback_of_context():
    kept = []
    return is_gone(caught(lambda error: kept.append(error.with_traceback(None)), context=True))


@claim("An object that keeps an exception of its own method is in a cycle, and waits for the collector")
def kept_by_itself():
    class Worker(Single):
        def work(self):
            try:
                raise ValueError
            except ValueError as error:
                self.error = error

    gc.disable()
    one = Worker()
    one.work()
    reference = weakref.ref(one)
    del one
    return reference() is not None and is_gone(reference)


# Tasks


@claim("A task that nobody keeps runs to its end")
def dropped_task():
    ended = []

    async def wait():
        await asyncio.get_running_loop().create_future()
        ended.append(1)

    async def main():
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
        asyncio.create_task(wait()).get_name()
        await asyncio.sleep(0)
        tasks = len(asyncio.all_tasks())
        gc.collect()
        return tasks == 2 and len(asyncio.all_tasks()) == 2

    return asyncio.run(main()) or bool(ended)


@claim("What a task raises that somebody keeps and nobody awaits is seen")
def unseen_exception():
    seen = []

    async def fail():
        raise ValueError

    async def main():
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: seen.append(1))
        kept = asyncio.create_task(fail())
        await asyncio.sleep(WAIT)
        gc.collect()
        return kept.done() and bool(seen)

    return asyncio.run(main())


@claim("A sleeping task keeps its variables until it is cancelled")
def sleeping_task():
    references = []

    async def sleep():
        one = Single()
        references.append(weakref.ref(one))
        await asyncio.sleep(10**6)

    async def main():
        asyncio.create_task(sleep()).get_name()
        await asyncio.sleep(0)
        gc.collect()
        return references[0]() is not None

    return asyncio.run(main())


def main():
    if len(sys.argv) > 1:
        print(json.dumps(CLAIMS[sys.argv[1]]()))
        return
    found = {}
    for text in CLAIMS:
        done = subprocess.run(
            [sys.executable, os.path.abspath(__file__), text],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        found[text] = json.loads(done.stdout)
    print(json.dumps({"python": "{}.{}".format(*sys.version_info), "claims": found}))


if __name__ == "__main__":
    main()
