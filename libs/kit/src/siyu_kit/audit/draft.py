"""The record of a call that is still being served."""

from collections.abc import Mapping


class Draft:
    """The record of a call that is being served."""

    __slots__ = ("closed", "objects", "recorded", "request_id")

    def __init__(self, ids: Mapping[str, str]) -> None:
        self.request_id = ids.get("request_id", "")
        self.objects = {name: value for name, value in ids.items() if name != "request_id"}
        self.recorded = False
        """A transaction of the call has committed it."""
        self.closed = False
        """The call has ended; what it left running is not part of it."""
