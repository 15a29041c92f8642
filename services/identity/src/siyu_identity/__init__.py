"""Evidence, persons and their change feed."""
