"""A Python process and a real Chromium: the person's first sign-in, from the short address to the last page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import token2go
from conftest import Asking, Demo
from test_jupyterlab import chromium, context, decide  # noqa: F401 - fixtures

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def sign_in(page: Any, address: str) -> None:
    page.goto(address)
    page.locator("button", has_text="Sign in").click()
    page.locator("button.person").first.click()


def test_chromium_signs_in_and_is_asked(demo: Demo, context: Any) -> None:  # noqa: F811
    asking = Asking(token2go.get, demo.front)
    page = context.new_page()
    sign_in(page, asking.prompt.short_url)
    page.locator("[data-id=allow]").wait_for()
    assert all(word in page.locator("[data-id=question]").inner_text() for word in asking.prompt.words)
    decide(page, "allow")
    page.get_by_text("The program has its token.").wait_for()
    assert page.locator("#words").inner_text() == " ".join(asking.prompt.words)
    assert "?" not in page.url
    assert asking.result().words == asking.prompt.words
    # Signed in already, and opened as the program's own: nothing is asked.
    again = Asking(token2go.get, demo.front, cache=False)
    page.goto(again.prompt.short_url)
    page.get_by_text("The program has its token.").wait_for()
    assert again.result()


def test_chromium_posts_a_large_token(
    server_program: Path,
    context: Any,  # noqa: F811
) -> None:
    demo = Demo(server_program, T2G_FLOW_MAX_URL="600")
    try:
        asking = Asking(token2go.get, demo.front)
        page = context.new_page()
        sign_in(page, asking.prompt.short_url)
        decide(page, "allow")
        page.get_by_text("The program has its token.").wait_for()
        assert asking.result()
    finally:
        demo.close()


def test_last_page_of_a_denial_fits_a_small_window(demo: Demo, context: Any) -> None:  # noqa: F811
    asking = Asking(token2go.get, demo.front)
    page = context.new_page()
    page.set_viewport_size({"width": 320, "height": 600})
    sign_in(page, asking.prompt.url)
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    decide(page, "deny")
    page.get_by_role("heading", name="No token: denied").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    # A browser looks for an icon, which is a stray like any other.
    assert not [text for text in problems if "status of 404" not in text], problems
    with pytest.raises(token2go.DeniedError):
        asking.result()
