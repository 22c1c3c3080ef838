"""Which user a connection from this computer belongs to."""

from __future__ import annotations

import os
import re
import struct
import sys
from collections.abc import Iterable

# An IPv4 address in the IPv6 table as the kernel prints it, in words of 32 bits in host order.
_MAPPED = "{:08X}{:08X}{:08X}".format(*struct.unpack("=III", b"\0" * 10 + b"\xff\xff"))
_LOOPBACK = "{:08X}".format(*struct.unpack("=I", bytes([127, 0, 0, 1])))
_LISTENING = "0A"
# A client of a port, in group 1, with its user and inode in groups 2 and 3.
_CLIENT = (
    rf"(?m)^ *\d+: (?:{_MAPPED})?{_LOOPBACK}:([0-9A-F]{{{{4}}}}) (?:{_MAPPED})?{_LOOPBACK}:{{port:04X}}"
    r" \S+ \S+ \S+ \S+ +(\d+) +\d+ (\d+)"
)
_OVERFLOW = "65534"  # for users that a user namespace has no number for
_TRIES = 3  # the kernel's table is not read at once, and may lack a line


def other_users(client_ports: Iterable[int], port: int) -> set[int]:
    """Those of the connections from 127.0.0.1:`client_ports` to 127.0.0.1:`port` that belong to another user than this
    process.

    Only Linux tells, in /proc/net/tcp and tcp6 (proc_pid_net(5)); elsewhere there are none. A connection that its
    program has closed already belongs to no one, and counts as another user's. Root is no other user, since it can read
    this process anyway, and for root no user is: the browser is often that of the person who became root.

    All of them are looked up at once: on a computer with many connections, reading the table takes a while.
    """
    unknown = set(client_ports)
    if sys.platform != "linux" or os.geteuid() == 0:
        return set()
    others: set[int] = set()
    for _ in range(_TRIES):
        table = _read("tcp") + _read("tcp6")
        if not re.search(rf"(?m)^ *\d+: (?:{_MAPPED})?{_LOOPBACK}:{port:04X} \S+ {_LISTENING} ", table):
            return others  # the table cannot be read, or is not about this network
        for match in re.finditer(_CLIENT.format(port=port), table):
            client_port, uid, inode = int(match[1], 16), match[2], match[3]
            if client_port in unknown and inode != "0":
                unknown.remove(client_port)
                if not _is_ours(uid):
                    others.add(client_port)
        if not unknown:
            return others
    if _inside_windows():  # where the browser's socket may not be in Linux's table
        return others
    return others | unknown


def _read(table: str) -> str:
    try:
        with open(f"/proc/self/net/{table}", encoding="utf-8") as file:
            return file.read()
    except OSError:
        return ""


def _inside_windows() -> bool:
    try:
        with open("/proc/sys/kernel/osrelease", encoding="utf-8") as file:
            return "microsoft" in file.read().lower()
    except OSError:
        return False


def _is_ours(uid: str) -> bool:
    return uid in ("0", str(os.geteuid())) or (uid == _OVERFLOW and _in_user_namespace())


def _in_user_namespace() -> bool:
    try:
        with open("/proc/self/uid_map", encoding="utf-8") as file:
            return file.read().split() != ["0", "0", "4294967295"]
    except OSError:
        return False
