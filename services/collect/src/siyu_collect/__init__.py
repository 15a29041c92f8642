"""The door: formats, validation, durable append."""
