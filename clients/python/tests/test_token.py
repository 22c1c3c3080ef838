"""A token does not show itself, unless it is asked to."""

from __future__ import annotations

import copy
import json
import logging
import pickle
import traceback
from datetime import datetime, timedelta, timezone

import pytest

import token2go
from token2go._token import moment

SECRET = "a-secret.of-the.tests"


def test_token_is_shown_only_by_str_and_format() -> None:
    token = token2go.Token(SECRET, expires_at=datetime(2030, 1, 2, 3, 4, 5, tzinfo=timezone.utc))
    assert str(token) == SECRET
    assert f"Bearer {token}" == token.authorization == f"Bearer {SECRET}"
    for shown in (repr(token), f"{token!r}", repr([token]), repr({"a": token}), ascii(token)):
        assert SECRET not in shown
        assert token.fingerprint[:12] in shown
    assert "2030-01-02 03:04:05 UTC" in repr(token)


def test_token_is_not_pickled() -> None:
    token = token2go.Token(SECRET)
    with pytest.raises(TypeError, match=r"hand over str\(token\)"):
        pickle.dumps(token)
    with pytest.raises(TypeError):
        json.dumps({"token": token})
    assert not hasattr(token, "__dict__")
    assert copy.copy(token) is token
    assert copy.deepcopy([token]) == [token]


def test_token_is_masked_in_logs_and_tracebacks(caplog: pytest.LogCaptureFixture) -> None:
    token = token2go.Token(SECRET)
    logging.getLogger("tests").warning("got %r", token)
    assert SECRET not in caplog.text
    try:
        raise token2go.DeniedError(repr(token))
    except token2go.DeniedError:
        assert SECRET not in traceback.format_exc()


def test_token_equality() -> None:
    assert token2go.Token("a") == token2go.Token("a")
    assert token2go.Token("a") != token2go.Token("b")
    assert token2go.Token("a") != "a"
    assert len({token2go.Token("a"), token2go.Token("a")}) == 1


@pytest.mark.parametrize("text", ["", "a b", "a\n", "a\tb", "a\x00", "a\x7f", "a\x9b", "a\ud800"])
def test_token_rejects_what_no_header_can_hold(text: str) -> None:
    with pytest.raises(ValueError, match="a token is"):
        token2go.Token(text)


def test_token_valid_for_and_expires_in() -> None:
    now = datetime.now(timezone.utc)
    token = token2go.Token("a", expires_at=now + timedelta(seconds=100))
    assert token.valid_for(100, now=now)
    assert not token.valid_for(101, now=now)
    assert 90 < (token.expires_in or 0) <= 100
    unknown = token2go.Token("a", obtained_at=now - timedelta(seconds=200))
    assert unknown.expires_in is None
    assert unknown.valid_for(3600)
    assert not unknown.valid_for(0, lifetime=199)


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05+00:00"),
        ("2026-01-02t03:04:05z", "2026-01-02T03:04:05+00:00"),
        ("2026-01-02T03:04:05.123456789+02:00", "2026-01-02T01:04:05.123456+00:00"),
        ("2026-01-02T03:04:05.5-00:30", "2026-01-02T03:34:05.500000+00:00"),
        ("0001-01-01T00:00:00+23:59", None),
        ("2026-13-02T03:04:05Z", None),
        ("2026-01-02 03:04:05Z", None),
        ("2026-01-02T03:04:05", None),
        ("٢٠٢٦-01-02T03:04:05Z", None),
        ("soon", None),
        (5, None),
    ],
)
def test_moment_reads_rfc_3339(text: object, want: str | None) -> None:
    read = moment(text)
    assert (read.isoformat() if read else None) == want
