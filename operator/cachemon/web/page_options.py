"""The options that `web` has in both programs. Help loads this module, and no server."""

import argparse

_LAST_PORT = 65_535


def add_page_options(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument("--no-open", action="store_true", help="open no browser")
    parser.add_argument(
        "--port", type=_port, default=0, metavar="NUMBER", help="port on 127.0.0.1 (default: one that is free)"
    )


def _port(text: str) -> int:
    if text.isascii() and text.isdecimal() and int(text) <= _LAST_PORT:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} must be a number from 0 to {_LAST_PORT}")
