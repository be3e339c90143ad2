# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Long proofs in two sizes from one code: the sample of ``make test``, the full number of ``make prove``."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from reporting import tell

#: What everything random in a run is drawn by; ``STABILITY_SEED`` repeats a run.
SEED = int(os.environ.get("STABILITY_SEED") or random.SystemRandom().randrange(2**32))
# Processes that share the tests of one run out draw the same.
os.environ["STABILITY_SEED"] = str(SEED)
#: Seconds that a proof may take, when it does not say so itself.
BUDGET = {"sample": 60.0, "full": 1800.0}


@contextmanager
def proof(
    name: str, sizes: Mapping[str, int], seed: int = SEED, budget: Mapping[str, float] | None = None
) -> Iterator[int]:
    """Yield the number of cases to run: that of the sample, or the full one when ``STABILITY_PROOF=full``.

    When all cases passed, number, seed and seconds are printed and reported. A proof that took longer than its ``budget``
    in seconds fails: it is not repeated any more by those who have to wait for it.
    """
    size = "full" if os.environ.get("STABILITY_PROOF") == "full" else "sample"
    begun = time.monotonic()
    yield sizes[size]
    seconds = time.monotonic() - begun
    allowed = (budget or BUDGET)[size]
    assert seconds <= allowed, f"{name}: over its budget: {sizes[size]} cases took {seconds:.0f} s of {allowed:.0f} s"
    print(f"{name}: {sizes[size]} cases passed with seed {seed} in {seconds:.0f} s")
    tell(proof=name, cases=sizes[size], seed=seed, seconds=round(seconds, 1))
