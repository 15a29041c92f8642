"""Facts about persons with history."""
