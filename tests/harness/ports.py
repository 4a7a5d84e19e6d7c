"""Ports of the loopback that stay with their server while it is away."""

import socket


def reserve():
    """A socket that holds a port and does not listen: a server that sets SO_REUSEADDR binds the same
    port beside it, and nobody else is given it, neither to listen nor to connect from."""
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", 0))
    return held


def number(held):
    return held.getsockname()[1]
