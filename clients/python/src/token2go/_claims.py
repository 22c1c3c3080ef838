"""What a JWT says of itself, unproven: for showing, and for how long it is kept."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from datetime import datetime, timezone

_MAX_DEPTH = 100
_YEAR_10000 = 253402300800


def read(token: str) -> Mapping[str, object] | None:
    """The claims of a JWT; None for a token that is opaque."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    header, claims = _object(parts[0]), _object(parts[1])
    return claims if header is not None and text(header, "alg") else None


def text(claims: Mapping[str, object], name: str) -> str:
    """A claim that is a text; empty where it is absent or anything else."""
    value = claims.get(name)
    # Halves of surrogate pairs become U+FFFD.
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace") if isinstance(value, str) else ""


def time(claims: Mapping[str, object], name: str) -> datetime | None:
    """A claim that is a time, in whole seconds; None where it is absent or anything else."""
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < _YEAR_10000:
        return None
    return datetime.fromtimestamp(int(value), timezone.utc)


def _object(part: str) -> dict[str, object] | None:
    part = part.rstrip("=")
    if "+" in part or "/" in part:  # the library takes both alphabets
        return None
    try:
        content = base64.b64decode(part + "=" * (-len(part) % 4), b"-_", validate=True)
        value = json.loads(content.decode("utf-8", "replace"), parse_constant=_refuse, parse_int=_number)
    except (binascii.Error, ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) and _depth(value) <= _MAX_DEPTH else None


def _refuse(constant: str) -> object:
    raise ValueError(f"JSON has no {constant}")


def _number(digits: str) -> float:
    """A number of any length in linear time."""
    return int(digits) if len(digits) < 20 else float(digits)


def _depth(value: object) -> int:
    """How deep lists and objects nest, without recursion."""
    depth, level = 0, [value]
    while level := [item for item in level if isinstance(item, (dict, list))]:
        depth += 1
        level = [child for item in level for child in (item.values() if isinstance(item, dict) else item)]
    return depth
