"""The package as it is delivered: a wheel in a clean environment, and how fast it is there."""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from conftest import ROOT, SOURCE

HOME = ROOT / "clients" / "python"


def bare(**environment: str) -> dict[str, str]:
    """An environment in which the package is not found by accident."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | environment


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=HOME, check=True, capture_output=True, env=bare())
    (built,) = folder.glob("*.whl")
    return built


@pytest.mark.slow
def test_wheel_holds_only_the_package(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    own = {f"token2go/{path.name}" for path in (SOURCE / "token2go").iterdir() if path.is_file()}
    assert own <= set(names)
    assert {"token2go/py.typed", "token2go/words.txt"} <= set(names)
    assert all(name.startswith("token2go") for name in names)
    assert [name for name in names if name.endswith("NOTICE")]
    metadata = zipfile.ZipFile(wheel).read(next(name for name in names if name.endswith("METADATA"))).decode()
    needed = re.findall(r"^Requires-Dist: (.+)$", metadata, re.M)
    assert [line for line in needed if "extra ==" not in line] == [
        "cryptography>=42.0.4",
        "h11>=0.16",
        "idna>=3.7",
    ]
    assert {"requests", "httpx", "ipython"} == set(re.findall(r"^Provides-Extra: (.+)$", metadata, re.M))


def interpreters() -> list[str]:
    """The oldest and the newest that .ci/python-client has found; else the one that runs this."""
    found = sorted((ROOT / ".cache" / "python-client").glob("3.*/bin/python"), key=lambda p: int(p.parts[-3][2:]))
    return [str(path) for path in found] or [sys.executable]


@pytest.mark.slow
@pytest.mark.parametrize("python", interpreters())
def test_wheel_works_in_a_clean_environment(wheel: Path, tmp_path: Path, python: str) -> None:
    """With the cryptography that is pinned for the tests, and nothing else."""
    clean = tmp_path / "clean"
    subprocess.run([python, "-m", "venv", str(clean)], check=True, env=bare())
    program = clean / "bin" / "python"
    pip = [str(program), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
    core = (HOME / "requirements-core.txt").read_text()
    wanted = r"(cryptography|cffi|h11|idna|pycparser|typing-ext)"
    needed = [text for text in re.split(r"\n(?=\w)", core) if re.match(wanted, text)]
    (tmp_path / "needed.txt").write_text("\n".join(needed))
    arguments = ["--only-binary", ":all:", "--require-hashes", "-r", str(tmp_path / "needed.txt")]
    subprocess.run([*pip, *arguments], check=True, env=bare())
    subprocess.run([*pip, "--no-index", str(wheel)], check=True, env=bare())
    code = (
        "import token2go; from token2go._call import Call; import token2go._listener; "
        "assert 'site-packages' in token2go.__file__; "
        "print(len(Call('https://t2g.example.org/').words)); token2go.Auth, token2go.environment"
    )
    for command, want in ((["-c", code], r"4\n"), (["-m", "token2go", "--version"], r"token2go \d+\.\d+\.\d+\n")):
        ended = subprocess.run([str(program), *command], capture_output=True, text=True, env=bare(), check=True)
        assert re.fullmatch(want, ended.stdout)


def import_time(statement: str) -> float:
    """Milliseconds that an import takes, by Python's own account: the best of several tries."""
    times = []
    for _ in range(7):
        command = [sys.executable, "-X", "importtime", "-c", statement]
        lines = subprocess.run(command, capture_output=True, text=True, check=True).stderr.splitlines()
        found = [line for line in lines if re.search(r"\|\s+token2go$", line)]
        times.append(int(found[-1].split("|")[1]) / 1000)
    return min(times)


def test_import_takes_less_than_60_ms() -> None:
    assert import_time("import token2go") < 60


def test_import_loads_nothing_heavy() -> None:
    code = (
        "import sys; before = set(sys.modules); import token2go; "
        "print(sorted(m for m in set(sys.modules) - before if not m.startswith('token2go')))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    for heavy in ("cryptography", "httpx", "requests", "IPython", "asyncio", "http", "ssl", "json", "subprocess"):
        assert f"'{heavy}'" not in out


def test_call_makes_its_key_in_50_ms() -> None:
    import time

    from token2go._call import Call

    Call("https://t2g.example.org/")  # the imports
    times = []
    for _ in range(20):
        began = time.perf_counter()
        Call("https://t2g.example.org/")
        times.append(time.perf_counter() - began)
    assert statistics.median(times) < 0.05


def test_public_names_exist() -> None:
    import token2go

    for name in token2go.__all__:
        getattr(token2go, name)
    with pytest.raises(AttributeError):
        token2go.nonsense  # noqa: B018
