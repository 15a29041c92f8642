"""The port of leases: which process does what only one may do at a time."""

from typing import Protocol

from siyu_kit.sql.lease import Lease


class Election(Protocol):
    """Gives leases; the database's (``Leases``) or the cluster's (``ClusterLeases``).

    A holder may be paused for longer than its lease, so a lease alone proves nothing: whatever a
    leader commits calls ``siyu_kit.sql.lease.fence`` with it.
    """

    ttl_s: float

    async def acquire(self, name: str) -> Lease | None:
        """Take the lease if it is free; None while another holds it."""
        ...

    async def renew(self, held: Lease) -> None:
        """Extend the lease by its whole time; raises ``LeaseLost``."""
        ...

    async def release(self, held: Lease) -> None:
        """Let others have it at once; does nothing when it is lost already."""
        ...

    async def aclose(self) -> None:
        """Close what the leases are asked over."""
        ...
