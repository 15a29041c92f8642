"""Ports for servers that start later are not those that outgoing connections are given."""

import socket

import pytest

from siyu_kit import loopback_ports
from siyu_kit.loopback_ports import free_ports


@pytest.fixture
def given(monkeypatch, tmp_path):
    """Says which ports the system gives to outgoing connections."""
    file = tmp_path / "range"
    monkeypatch.setattr(loopback_ports, "_RANGE", file)
    return file.write_text


@pytest.mark.loopback
def test_ports_are_different_and_not_of_the_systems_own(given):
    given("20000\t64000\n")
    ports = free_ports(50)
    assert len(set(ports)) == 50
    assert all(10_000 <= port < 20_000 or port > 64_000 for port in ports)


@pytest.mark.loopback
@pytest.mark.parametrize("text", ["10000\t65000\n", "nothing"])
def test_where_none_are_left_or_known_the_choice_is_the_systems_or_any(given, text):
    given(text)
    ports = free_ports(10)
    assert len(set(ports)) == 10
    assert min(ports) >= 1024


@pytest.mark.loopback
def test_nobody_else_is_given_a_port_before_its_server_has_started(given):
    given("11000\t65000\n")
    first, second = set(free_ports(300)), set(free_ports(300))
    assert not first & second
    for port in first:
        with socket.create_server(("127.0.0.1", port)):
            """A server that may reuse addresses, as all of ours, starts on it."""
