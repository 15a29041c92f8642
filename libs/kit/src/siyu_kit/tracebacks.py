"""Tracebacks for logs: every frame, and what the exception says without the values it names.

Libraries quote what they could not digest: a row, a key, a line of a request. The frames and the
words around it are enough to find the fault.
"""

import re
import traceback
from types import TracebackType
from typing import Final

MASKED: Final = "***"

_QUOTED: Final = re.compile(r"""b?'(?:[^'\\\n]|\\.)*'|b?"(?:[^"\\\n]|\\.)*\"""")
_ASSIGNED: Final = re.compile(r"=\((?:[^()\n]|\([^()\n]*\))*\)")  # PostgreSQL: Key (a)=(value)
_FOREIGN_SCRIPT: Final = re.compile(r"[^\x00-\x7f]+")

ExcInfo = tuple[type[BaseException] | None, BaseException | None, TracebackType | None]


def safe_traceback(exc_info: ExcInfo) -> str:
    """The traceback with its causes, as Python prints it, with masked messages."""
    error = exc_info[1]
    if error is None:
        return ""
    chain = traceback.TracebackException.from_exception(error, capture_locals=False)
    _mask(chain)
    return "".join(chain.format()).rstrip("\n")


def without_values(text: str) -> str:
    """A message without quoted and assigned values and without other scripts than Latin."""
    masked = _QUOTED.sub(f"'{MASKED}'", text)
    masked = _ASSIGNED.sub(f"=({MASKED})", masked)
    return _FOREIGN_SCRIPT.sub(MASKED, masked)


def _mask(chain: traceback.TracebackException) -> None:
    """Python keeps the text of a message in ``_str``; a syntax error's line in ``text``."""
    waiting: list[traceback.TracebackException | None] = [chain]
    while waiting:
        one = waiting.pop()
        if one is None:
            continue
        # What the operating system says names files and addresses, never a customer.
        if not issubclass(one.exc_type or Exception, OSError):
            one._str = without_values(str(one))  # type: ignore[attr-defined]  # noqa: SLF001
        if one.__notes__:
            one.__notes__ = [without_values(str(note)) for note in one.__notes__]
        waiting += [one.__cause__, one.__context__, *(one.exceptions or ())]
