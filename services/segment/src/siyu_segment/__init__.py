"""Rules, versions, memberships and their change feed."""
