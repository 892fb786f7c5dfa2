"""What a machine has, on systems that this one is not."""

import builtins
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from nasface import machine

GB = 10**9


def memory(monkeypatch: pytest.MonkeyPatch, free: int) -> None:
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=free))


def groups(monkeypatch: pytest.MonkeyPatch, folder: Path, own: str) -> Path:
    """Control groups below a folder, and the line that says which is ours."""
    (folder / "own").write_text(own)
    monkeypatch.setattr(machine, "_OWN_GROUP", folder / "own")
    monkeypatch.setattr(machine, "_GROUPS", folder / "groups")
    (folder / "groups").mkdir()
    return folder / "groups"


def write(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)


def test_the_cache_of_files_is_free(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine of 22 GB, of which files fill all but 1."""
    memory(monkeypatch, 22 * GB)
    monkeypatch.setattr(machine, "_OWN_GROUP", tmp_path / "none")
    assert machine.free_memory_mb() == 22_000


def test_the_processor_has_a_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nmodel name\t: A: B 3000\nmodel name\t: C\n")
    monkeypatch.setattr(machine, "_CPU_INFO", tmp_path / "cpuinfo")
    assert machine.processor() == "A: B 3000"
    for other in ("none", "."):  # another system than Linux, and one that tells nothing
        monkeypatch.setattr(machine, "_CPU_INFO", tmp_path / other)
        assert machine.processor()


def test_on_this_machine() -> None:
    total = psutil.virtual_memory().total / 1e6
    assert 0 < machine.free_memory_mb() <= total
    assert 1 <= machine.cores() <= (os.cpu_count() or 1)
    assert 10 < machine.peak_process_mb() <= total


@pytest.mark.parametrize(
    ("limits", "free"),
    [
        ({"memory__max": f"{8 * GB}", "memory__current": f"{5 * GB}"}, 3000),
        ({"memory__max": "max", "memory__current": f"{5 * GB}"}, 22_000),
        ({"memory__max": f"{4 * GB}", "memory__current": f"{5 * GB}"}, 0),
        ({"memory__max": "damaged"}, 22_000),
    ],
)
@pytest.mark.parametrize("place", ["", "user/job"])
def test_limits_of_memory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, limits: dict[str, str], free: int, place: str
) -> None:
    """Of the own group, or of one above it; in a container the own group is at the top."""
    memory(monkeypatch, 22 * GB)
    top = groups(monkeypatch, tmp_path, "0::/user/job/step")
    write(top / place, **limits)
    assert machine.free_memory_mb() == free


def test_the_cache_of_a_group_is_free(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    memory(monkeypatch, 22 * GB)
    top = groups(monkeypatch, tmp_path, "0::/")
    stat = f"anon {GB}\ninactive_file {3 * GB}\n"
    write(top, memory__max=f"{8 * GB}", memory__current=f"{7 * GB}", memory__stat=stat)
    assert machine.free_memory_mb() == 4000


def test_the_first_version_of_control_groups(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    memory(monkeypatch, 22 * GB)
    top = groups(monkeypatch, tmp_path, "5:memory:/job\n3:cpu,cpuacct:/job\n1:name=systemd:/\n")
    write(
        top / "memory" / "job",
        memory__limit_in_bytes=f"{6 * GB}",
        memory__usage_in_bytes=f"{5 * GB}",
    )
    write(top / "memory", memory__limit_in_bytes="9223372036854771712", memory__usage_in_bytes="1")
    write(top / "cpu" / "job", cpu__cfs_quota_us="300000", cpu__cfs_period_us="100000")
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    assert machine.free_memory_mb() == 1000
    assert machine.cores() == 3


@pytest.mark.parametrize(
    ("quota", "count"), [("200000 100000", 2), ("max 100000", 6), ("20000 100000", 1), ("", 6)]
)
def test_quotas_of_cores(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, quota: str, count: int
) -> None:
    write(groups(monkeypatch, tmp_path, "0::/"), cpu__max=quota)
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(6)), raising=False)
    assert machine.cores() == count


def without(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Modules that are not there."""
    real = builtins.__import__

    def missing(name: str, *arguments: Any) -> Any:
        if name in names:
            raise ImportError(name)
        return real(name, *arguments)

    monkeypatch.setattr(builtins, "__import__", missing)


def test_on_windows(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    without(monkeypatch, "resource", "fcntl")
    monkeypatch.setattr(machine, "_OWN_GROUP", tmp_path / "none")
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.delattr(os, "sysconf", raising=False)
    memory(monkeypatch, 3 * GB)
    info = SimpleNamespace(rss=4_000_000)
    monkeypatch.setattr(psutil, "Process", lambda: SimpleNamespace(memory_info=lambda: info))
    assert machine.peak_process_mb() == 4
    info.peak_wset = 5_000_000
    assert machine.peak_process_mb() == 5
    assert machine.free_memory_mb() == 3000
    assert machine.cores() == (os.cpu_count() or 1)


def test_on_a_mac(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """There the system counts in bytes, elsewhere in kilobytes."""
    import resource

    monkeypatch.setattr(machine, "_OWN_STATUS", tmp_path / "none")
    usage = SimpleNamespace(ru_maxrss=7_000_000)
    monkeypatch.setattr(resource, "getrusage", lambda _: usage)
    monkeypatch.setattr(sys, "platform", "darwin")
    assert machine.peak_process_mb() == 7
    monkeypatch.setattr(sys, "platform", "linux")
    assert machine.peak_process_mb() == 7168


@pytest.mark.skipif(sys.platform != "linux", reason="Linux hands a peak down")
def test_a_process_has_a_peak_of_its_own() -> None:
    """Not that of the process that started it."""
    held = bytearray(800 << 20)
    del held
    own = "from nasface.machine import peak_process_mb; print(peak_process_mb())"
    done = subprocess.run([sys.executable, "-c", own], capture_output=True, text=True, check=True)
    assert 10 < float(done.stdout) < 400 < machine.peak_process_mb()


PROGRAM = """
import builtins, importlib, os, pkgutil, signal, sys
import nasface

def everything():
    for each in pkgutil.walk_packages(nasface.__path__, "nasface."):
        try:
            importlib.import_module(each.name)
        except nasface.NasfaceError as error:
            assert "pip install" in str(error)

everything()  # with all packages below, which are none of our concern
for name in [name for name in sys.modules if name.startswith("nasface.")]:
    del sys.modules[name]
real = builtins.__import__
def missing(name, *arguments, **more):
    if name in ("fcntl", "resource", "pwd", "grp", "termios"):
        raise ImportError(name)
    return real(name, *arguments, **more)
builtins.__import__ = missing
for name in ("sysconf", "sched_getaffinity", "fork", "killpg", "setsid", "getuid", "mkfifo"):
    delattr(os, name)
for name in ("SIGCHLD", "SIGHUP", "SIGKILL"):
    delattr(signal, name)
everything()
print("imported")
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="takes out what Windows has not")
def test_nothing_needs_what_only_unix_has() -> None:
    """All modules are imported without the modules and functions that Windows lacks."""
    found = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM], capture_output=True, text=True, check=False
    )
    assert found.stdout == "imported\n", found.stderr
