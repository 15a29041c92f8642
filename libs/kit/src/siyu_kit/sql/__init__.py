"""Relational storage: engines, upserts, migrations, leases and the outbox."""
