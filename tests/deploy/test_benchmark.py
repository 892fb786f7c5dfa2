"""Latency and memory of exported detectors, side by side."""

import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
from tiny import DETECTOR, write_lively_weights

from nasface.cli import benchmark as verb
from nasface.cli.benchmark import _name
from nasface.cli.main import main
from nasface.deploy.benchmark import BenchmarkConfig, LatencyRow, benchmark
from nasface.errors import ConfigError, ExportError
from nasface.progress import Silent

Output = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights, and an ONNX file that takes one size."""
    folder = tmp_path_factory.mktemp("benchmark")
    write_lively_weights(folder / "w.safetensors", DETECTOR)
    words = f"export --weights {folder}/w.safetensors --out {folder}/w.onnx --size 160x131"
    assert main(words.split()) == 0
    return folder


def test_files_are_measured_side_by_side(place: Path, capsys: Output) -> None:
    files = f"{place}/w.safetensors {place}/w.onnx"
    words = f"benchmark {files} --size 160x131 --repeats 3 --threads 1 --json"
    words += f" --figure {place}/bars.svg"
    capsys.readouterr()
    assert main(words.split()) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [each["runtime"] for each in rows] == ["nasface", "onnx"]
    assert rows[0]["relative"] == 1
    for row in rows:
        assert 0 < row["fastest"] <= row["median"] <= row["slowest"]
        assert row["threads"] == 1
        if sys.platform == "linux":
            assert row["memory"] > 0, "that of the tests counts as that of the file"
        assert row["megabytes"] == pytest.approx(Path(row["file"]).stat().st_size / 1e6, abs=1e-3)
    assert "w.onnx (onnx)" in (place / "bars.svg").read_text()


def test_a_folder_of_an_export_stands_for_its_file(place: Path, capsys: Output) -> None:
    folder = place / "exported"
    words = f"export --weights {place}/w.safetensors --to onnx --out {folder} --size 160x131"
    assert main(words.split()) == 0
    capsys.readouterr()
    words = f"benchmark {folder} {folder}/detector.onnx --size 160x131 --repeats 1 --threads 1"
    assert main([*words.split(), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [each["file"] for each in rows] == [str(folder), f"{folder}/detector.onnx"]
    assert [each["runtime"] for each in rows] == ["onnx", "onnx"]
    assert rows[0]["megabytes"] == rows[1]["megabytes"]
    (place / "empty").mkdir()
    assert main(["benchmark", str(place / "empty")]) == 2
    assert "empty: expected a file with suffix" in capsys.readouterr().err


def test_what_does_not_run_is_named(place: Path, capsys: Output) -> None:
    words = f"benchmark {place}/w.onnx --size 64x64 --repeats 1 --threads 1"
    assert main(words.split()) == 2
    assert "w.onnx: does not run with 1 images of 64x64" in capsys.readouterr().err
    assert main(f"benchmark {place}/none.bin".split()) == 2
    assert "expected a file with suffix .onnx" in capsys.readouterr().err
    assert main(f"benchmark {place}/none.onnx".split()) == 2
    assert "none.onnx: does not exist" in capsys.readouterr().err
    assert main(["benchmark", "asfd-nanno"]) == 2
    assert "did you mean 'asfd-nano'?" in capsys.readouterr().err


def test_a_program_needs_no_main_guard(place: Path) -> None:
    program = place / "program.py"
    program.write_text(
        "from nasface.deploy.benchmark import BenchmarkConfig, benchmark\n"
        "from nasface.progress import Silent\n"
        "print('begun')\n"
        "config = BenchmarkConfig(size='160x131', repeats=1, threads=(1,))\n"
        f"rows = benchmark([{str(place / 'w.onnx')!r}], config, Silent())\n"
        "print(len(rows), rows[0].runtime)\n"
    )
    done = subprocess.run([sys.executable, program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["begun", "1 onnx"]


def test_what_the_program_itself_opens_is_refused(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = importlib.import_module("nasface.deploy.benchmark")
    opener = module._open_weights
    monkeypatch.setattr(opener, "__module__", "__main__")
    monkeypatch.setattr(sys.modules["__main__"], opener.__name__, opener, raising=False)
    config = BenchmarkConfig(size="160x131", repeats=1, threads=(1,))
    with pytest.raises(ExportError, match=r"w\.safetensors: what opens it must be a function at"):
        benchmark([place / "w.safetensors"], config, Silent())


def test_a_process_that_ends_is_reported(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "leaver.py").write_text("import os\ndef leave(path, threads): os._exit(3)\n")
    monkeypatch.syspath_prepend(tmp_path)
    opener = importlib.import_module("leaver").leave
    monkeypatch.setattr("nasface.deploy.benchmark._opener", lambda path: ("onnx", opener))
    with pytest.raises(ExportError, match=r"w\.onnx: its process ended with exit code 3"):
        benchmark([place / "w.onnx"], BenchmarkConfig(repeats=1, threads=(1,)), Silent())


def test_a_released_detector_keeps_its_name() -> None:
    config = BenchmarkConfig(size="96x96", repeats=1, threads=(1,))
    rows = benchmark(["asfd-nano", "asfd-nano"], config, Silent())
    assert [each.file for each in rows] == ["asfd-nano", "asfd-nano"]
    assert _name(rows[0]) == "asfd-nano (nasface)"


def test_the_table_fits_a_terminal_of_80_columns(
    monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    files = [f"exports/some/folder/further/down/detector-{at}.mnn" for at in range(2)]
    rows = [
        LatencyRow(file, "openvino", threads, 1234.5, 1200.1, 12345.6, 10.25, 1024.0, 123.45)
        for threads in (1, 16)
        for file in files
    ]
    monkeypatch.setattr(verb, "benchmark", lambda *_: rows)
    assert main(["benchmark", *files]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    cells = [line.replace("│", " ").split() for line in lines if "│" in line]
    assert len(cells) == len(rows)
    assert " ".join(cells[0]) == "1 openvino 1 1234.5 1200.1-12345.6 10.25 1024 123.45"
    assert lines[-2:] == [f"1  {files[0]}", f"2  {files[1]}"]


def test_settings_are_checked() -> None:
    with pytest.raises(ConfigError, match="size: '640', expected WIDTHxHEIGHT"):
        BenchmarkConfig(size="640")
    with pytest.raises(ConfigError, match="repeats 0"):
        BenchmarkConfig(repeats=0)
