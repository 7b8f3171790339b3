"""How many examples a property is tried with."""

import os

#: FLOWLENS_EXAMPLES=10 tries ten times as many as a run of the suite.
TIMES = int(os.environ.get("FLOWLENS_EXAMPLES", "1"))


def examples(count: int) -> int:
    """Return the number of examples: `count` in a run of the suite."""
    return count * TIMES
