"""The event store, every query, every set computation."""
