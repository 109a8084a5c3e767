"""Read by every Python that these tests start (PYTHONPATH): refuses, and writes down, whatever leaves this machine."""

import os
import sys


def _stay_home(event, arguments):
    if event == "socket.getaddrinfo":
        host = arguments[0]
    elif event in {"socket.connect", "socket.sendto"} and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    else:
        return
    name = host.decode() if isinstance(host, bytes) else host
    if name in {None, "", "localhost", "0.0.0.0", "::", "::1"} or name.startswith("127."):  # noqa: S104 - compared
        return
    with open(os.environ["E2E_WENT_OUT"], "a") as file:  # noqa: PTH123 - pathlib is a heavy import for every start
        file.write(f"{event} {name}\n")
    raise ConnectionRefusedError(f"a test may not talk to {name}")


if "E2E_WENT_OUT" in os.environ:
    sys.addaudithook(_stay_home)
