"""What tests of several floors share."""

import ipaddress
import os
import signal
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

# The models of the tests are tiny: threads would only wait for one another. Read when torch starts.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# In a script's background Ctrl-C is ignored, and so it would be by the programs that tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
# Nothing leaves this machine: neither from here, nor from the programs that tests start.
os.environ["CHARLM_OFFLINE"] = "1"


def stay_here(event: str, arguments: tuple[Any, ...]) -> None:
    """Refuse to connect to other machines, and to look up their names."""
    host = None
    if event == "socket.getaddrinfo":
        host = arguments[0]
    elif event in ("socket.connect", "socket.sendto") and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    if host in (None, "", b"", "localhost", b"localhost"):
        return
    try:
        is_here = ipaddress.ip_address(
            host.decode() if isinstance(host, bytes) else host
        ).is_loopback
    except ValueError:  # a name
        is_here = False
    if not is_here:
        raise PermissionError(f"A test may not connect to {host}.")


sys.addaudithook(stay_here)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--every", type=int, default=1, help="run every n-th case of each test")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Of each test keep every n-th case, the first among them; so none is left out as a whole."""
    every, cases = config.getoption("--every"), Counter[str]()
    kept, others = [], []
    for item in items:
        name = item.nodeid.partition("[")[0]
        (others if cases[name] % every else kept).append(item)
        cases[name] += 1
    items[:] = kept
    config.hook.pytest_deselected(items=others)


# d2l.ai's file, kept beside the checkout where it is kept at all.
TIME_MACHINE = Path(__file__).resolve().parents[2] / "shared" / "data" / "timemachine.txt"


@pytest.fixture(scope="session")
def time_machine() -> Path:
    """The Time Machine as d2l.ai has it."""
    if not TIME_MACHINE.is_file():
        pytest.skip("d2l's timemachine.txt is not beside the checkout")
    return TIME_MACHINE
