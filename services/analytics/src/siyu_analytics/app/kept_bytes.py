"""Things kept as long as they fit into so many bytes; what was not used for longest goes first."""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class KeptBytes(Generic[K, V]):
    """At most ``most_bytes`` of them."""

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        self.size = 0
        """Bytes that are kept."""
        self._kept: OrderedDict[K, tuple[V, int]] = OrderedDict()

    def get(self, key: K) -> V | None:
        """What is kept under the key, which is thereby used; None if there is nothing."""
        found = self._kept.get(key)
        if found is None:
            return None
        self._kept.move_to_end(key)
        return found[0]

    def put(self, key: K, value: V, size: int) -> None:
        """Keep something of so many bytes; what there was under the key makes place for it."""
        self.size += size - self._kept.pop(key, (None, 0))[1]
        self._kept[key] = (value, size)
        while self.size > self.most_bytes:
            self.size -= self._kept.popitem(last=False)[1][1]
