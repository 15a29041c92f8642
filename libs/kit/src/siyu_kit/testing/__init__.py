"""Test support that ships with the kit: real servers, contract suites, the socket block."""
