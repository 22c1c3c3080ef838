"""Which user a connection from this computer belongs to."""

from __future__ import annotations

import os
import struct
import sys

# An IPv4 address in the IPv6 table as the kernel prints it, in words of 32 bits in host order.
_MAPPED = "{:08X}{:08X}{:08X}".format(*struct.unpack("=III", b"\0" * 10 + b"\xff\xff"))
_LOOPBACK = "{:08X}".format(*struct.unpack("=I", bytes([127, 0, 0, 1])))
_LISTENING = "0A"
_OVERFLOW = "65534"  # for users that a user namespace has no number for
_TRIES = 3  # the kernel's table is not read at once, and may lack a line


def is_other_user(client_port: int, port: int) -> bool:
    """Whether a connection from 127.0.0.1:`client_port` to 127.0.0.1:`port` belongs to another user than this process.

    Only Linux tells, in /proc/net/tcp and tcp6 (proc_pid_net(5)); elsewhere the answer is no. A connection that its
    program has closed already belongs to no one, and counts as another user's. Root is no other user, since it can read
    this process anyway, and for root no user is: the browser is often that of the person who became root.
    """
    if sys.platform != "linux" or os.geteuid() == 0:
        return False
    for _ in range(_TRIES):
        tables = _read("tcp") + _read("tcp6")
        if not any(fields[1] == f"{_LOOPBACK}:{port:04X}" and fields[3] == _LISTENING for fields in tables):
            return False  # the tables cannot be read, or are not about this network
        for prefix in ("", _MAPPED):
            ends = [f"{prefix}{_LOOPBACK}:{number:04X}" for number in (client_port, port)]
            for fields in tables:
                if fields[1:3] == ends and fields[9] != "0":
                    return not _is_ours(fields[7])
    return not os.environ.get("WSL_DISTRO_NAME")  # where the browser of Windows has no socket in Linux


def _read(table: str) -> list[list[str]]:
    try:
        with open(f"/proc/self/net/{table}", encoding="utf-8") as file:
            return [fields for line in file if len(fields := line.split()) >= 10]
    except OSError:
        return []


def _is_ours(uid: str) -> bool:
    return uid in ("0", str(os.geteuid())) or (uid == _OVERFLOW and _in_user_namespace())


def _in_user_namespace() -> bool:
    try:
        with open("/proc/self/uid_map", encoding="utf-8") as file:
            return file.read().split() != ["0", "0", "4294967295"]
    except OSError:
        return False
