"""Streams that carry batches: one port, a Redis implementation and its in-memory twin."""
