"""gRPC as siyu uses it: one server, one client, one mapping of errors."""
