"""What every siyu service needs and no domain."""
