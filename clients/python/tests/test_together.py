"""A shell and a notebook share one sign-in: the program token2go and this package, with one cache and one lock."""

from __future__ import annotations

import os
import re
import subprocess
import time
from pathlib import Path

import pytest

import token2go
from conftest import SOON, Asking, Demo, Person
from token2go.__main__ import main


class Program:
    """`token2go get`, which waits."""

    def __init__(self, program: Path, demo: Demo) -> None:
        pipe = subprocess.PIPE
        command = [str(program), "get", demo.front]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=pipe,
            stderr=pipe,
            text=True,
            env={**os.environ, "BROWSER": "true"},
        )
        self.said = ""

    def address(self) -> str:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self.said += line
            if found := re.search(r"http://127\.0\.0\.1:\d+/\S+", line):
                return found[0]
        raise AssertionError(self.said)

    def end(self) -> tuple[int, str]:
        out, err = self._process.communicate(timeout=SOON)
        self.said += err
        return self._process.returncode, out.strip()


def test_program_takes_the_package_s_token(demo: Demo, person: Person, client_program: Path) -> None:
    token = token2go.get(demo.front, browser=person.open, show=lambda _: None)
    assert Program(client_program, demo).end() == (0, str(token))


@pytest.mark.parametrize("form", ["token", "env", "env:API_TOKEN", "header", "curl-config"])
def test_main_prints_the_forms_of_the_program(
    form: str, demo: Demo, person: Person, client_program: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    token2go.get(demo.front, browser=person.open, show=lambda _: None)
    assert main([demo.front, "--output", form]) == 0
    command = [str(client_program), "get", "--output", form, demo.front]
    program = subprocess.run(command, capture_output=True, text=True, timeout=SOON, check=True)
    assert capsys.readouterr().out == program.stdout


def test_get_takes_the_program_s_token(demo: Demo, person: Person, client_program: Path) -> None:
    program = Program(client_program, demo)
    person.open(program.address())
    code, text = program.end()
    assert code == 0
    token = token2go.get(demo.front, show=lambda _: pytest.fail("asked again"))
    assert str(token) == text
    assert token.expires_at is not None


@pytest.mark.parametrize("decision", ["allow", "deny"])
def test_get_waits_for_the_program(demo: Demo, person: Person, client_program: Path, decision: str) -> None:
    program = Program(client_program, demo)
    address = program.address()
    asking = Asking(token2go.get, demo.front)
    time.sleep(0.5)
    person.decide(person.open(address, Sec_Fetch_Site="cross-site"), decision)
    code, text = program.end()
    assert asking.over or asking.asked == 0
    if decision == "allow":
        assert str(asking.result()) == text
    else:
        assert code == 3
        with pytest.raises(token2go.DeniedError):
            asking.result()
    assert asking.asked == 0


@pytest.mark.parametrize("decision", ["allow", "deny"])
def test_program_waits_for_get(demo: Demo, person: Person, client_program: Path, decision: str) -> None:
    asking = Asking(token2go.get, demo.front)
    address = asking.prompt.url
    program = Program(client_program, demo)
    time.sleep(0.5)
    person.decide(person.open(address, Sec_Fetch_Site="cross-site"), decision)
    if decision == "allow":
        assert program.end() == (0, str(asking.result()))
    else:
        with pytest.raises(token2go.DeniedError):
            asking.result()
        assert program.end() == (3, "")
    assert "127.0.0.1" not in program.said.replace(demo.front, "")
