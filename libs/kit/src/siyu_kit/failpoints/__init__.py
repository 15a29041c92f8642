"""Named places in the code where a test may end, stop or fail the process (gofail's idea).

``failpoint("sink.after_plan")`` does nothing, and costs a call that returns at once, unless the
process was *started* with ``SIYU_FAILPOINTS`` or ``SIYU_FAILPOINTS_FILE``. That is decided when
this module is imported: nothing that a process is told later, by a caller least of all, can
switch it on. ``actions`` has the words, ``registry`` every name, ``armed`` what happens then.
"""

import os
from collections.abc import Callable, Mapping


def _off(_name: str, /) -> None:
    """Failpoints are off."""


def choose(environ: Mapping[str, str]) -> Callable[[str], None]:
    """What ``failpoint`` is in a process with these variables; raises ``ValueError``."""
    spec, file = environ.get("SIYU_FAILPOINTS", ""), environ.get("SIYU_FAILPOINTS_FILE", "")
    if not spec and not file:
        return _off
    from siyu_kit.failpoints.armed import Armed

    return Armed(spec, file, environ.get("SIYU_FAILPOINTS_HITS", "")).hit


failpoint: Callable[[str], None] = choose(os.environ)
