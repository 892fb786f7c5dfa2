"""What goes wrong while a job runs."""

import multiprocessing
import os
import signal
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tiny import AUGMENT, DETECTOR, OPTIMIZER, Notes, nan_at, tiny_genotype, write_tiny
from torch.utils.data._utils import signal_handling as torch_handlers

from nasface.annotations.widerface import read_wider_split
from nasface.arch.io import save_genotype
from nasface.data.dataset import WHOLE, FaceDataset, make_loader
from nasface.data.loader import MAX_DEATHS, Batches
from nasface.detection.losses import DetectionLoss
from nasface.engine.guards import memory_explained
from nasface.engine.search import SearchConfig, run_search
from nasface.engine.train import TrainConfig, run_training
from nasface.errors import RunError
from nasface.io.files import draft_path, is_draft
from nasface.runs.checkpoint import load_checkpoint
from nasface.runs.folder import RunFolder, read_metrics


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> SearchConfig:
    return SearchConfig(
        data=str(write_tiny(tmp_path_factory.mktemp("data"))),
        space="autofem-fpn",
        epochs=2,
        warmup_epochs=1,
        batch_size=2,
        detector=DETECTOR,
        augment=AUGMENT,
        optimizer=OPTIMIZER,
    )


class Failing(Notes):
    """Something happens after some steps."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.left = steps

    def advance(self, values: Mapping[str, float] | None = None) -> None:
        self.left -= 1
        if self.left == 0:
            self.fail()

    @abstractmethod
    def fail(self) -> None:
        """What goes wrong then."""


def test_a_search_leaves_out_what_is_not_finite(
    config: SearchConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Calls of the loss: two weight steps, then choices and weights in turn."""
    monkeypatch.setattr(DetectionLoss, "__call__", nan_at(1, 2, 5))
    progress = Notes()
    assert run_search(config, tmp_path / "s", progress).finished
    assert [note for note in progress.notes if "left out" in note] == [
        "step 2 left out: weight loss not finite (1 so far)",
        "step 3 left out: architecture loss not finite (2 so far)",
        "step 4 left out: weight loss not finite (3 so far)",
    ]
    state = load_checkpoint(tmp_path / "s" / "checkpoint.pt", "search")
    assert state["skips"] == {"total": 3, "in_a_row": 3}
    assert all(value.isfinite().all() for value in state["model"].values())
    assert [row["weight_loss"] is None for row in read_metrics(tmp_path / "s/metrics.jsonl")] == [
        False, True, False, True,
    ]  # fmt: skip


def test_a_full_disk_ends_the_run_and_keeps_the_checkpoint(
    config: SearchConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The write of the second checkpoint fails in its middle, as on a disk that is full."""
    folder = tmp_path / "s"
    syncs = iter(range(100))

    def full(_: int) -> None:
        if next(syncs) == 3:  # the second of metrics and checkpoint
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(
        RunError, match=r"checkpoint.pt: No space left on device; the last checkpoint is kept"
    ):
        run_search(config, folder, Notes())
    assert load_checkpoint(folder / "checkpoint.pt", "search")["step"] == 2
    assert not [path for path in folder.iterdir() if is_draft(path)]
    monkeypatch.undo()
    assert run_search(config, folder, Notes(), resume=True).finished


def disk_full_at(monkeypatch: pytest.MonkeyPatch, name: str, calls: int) -> None:
    """From its ``calls``-th write on, a file of that name ends in its middle."""
    write, left = Path.write_bytes, iter(range(calls, -1000, -1))

    def half(path: Path, data: bytes) -> int:
        if path != draft_path(path.with_name(name)) or next(left) > 1:
            return write(path, data)
        write(path, data[: len(data) // 2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", half)


def contents(folder: Path) -> dict[str, object]:
    """What a run left, but for what holds times."""
    told = ("checkpoint.pt", "summary.json", "environment.json", "config.yaml")
    found: dict[str, object] = {}
    for path in folder.iterdir():
        if path.suffix == ".safetensors":
            found[path.name] = {key: each.tolist() for key, each in load_file(path).items()}
        elif path.name not in told:
            found[path.name] = path.read_bytes()
    return found


@pytest.fixture(scope="module")
def finished(config: SearchConfig, tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """What an undisturbed search leaves in a folder ``s``."""
    folder = tmp_path_factory.mktemp("finished") / "s"
    run_search(config, folder, Notes())
    return contents(folder)


@pytest.mark.parametrize(
    ("name", "calls"),
    [("genotype.yaml", 2), ("genotype.yaml", 3), ("arch_history.npz", 1), ("summary.json", 1)],
)
def test_a_full_disk_while_a_search_writes_its_last_files(
    name: str,
    calls: int,
    config: SearchConfig,
    finished: dict[str, object],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The genotype is written after each of two epochs and in the end."""
    folder = tmp_path / "s"
    disk_full_at(monkeypatch, name, calls)
    with pytest.raises(RunError, match=rf"s/{name}: No space left on device; the last checkpoint"):
        run_search(config, folder, Notes())
    held = contents(folder)
    assert not [each for each in held if each.startswith(".")]
    assert (name in held) == (calls > 1)
    monkeypatch.undo()
    load_checkpoint(folder / "checkpoint.pt", "search")
    assert run_search(config, folder, Notes(), resume=True).finished
    assert contents(folder) == finished
    assert (folder / "summary.json").is_file()


@pytest.fixture(scope="module")
def trained(
    config: SearchConfig, tmp_path_factory: pytest.TempPathFactory
) -> tuple[TrainConfig, dict[str, object]]:
    """A training, and what it leaves where nothing goes wrong."""
    folder = tmp_path_factory.mktemp("trained")
    save_genotype(tiny_genotype("autofem-fpn"), folder / "genotype.yaml")
    names = ("data", "epochs", "batch_size", "detector", "augment", "optimizer")
    common = {key: getattr(config, key) for key in names}
    train = TrainConfig(**common, genotype=str(folder / "genotype.yaml"), evaluate_every=2)
    run_training(train, folder / "done", Notes())
    return train, contents(folder / "done")


@pytest.mark.parametrize(
    ("name", "calls"),
    [("genotype.yaml", 1), ("best.safetensors", 1), ("last.safetensors", 2), ("summary.json", 1)],
)
def test_a_full_disk_while_a_training_writes_its_last_files(
    name: str,
    calls: int,
    trained: tuple[TrainConfig, dict[str, object]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The first one is written before the first step, so that the folder goes with it."""
    train, whole = trained
    folder = tmp_path / "t"
    is_begun = name != "genotype.yaml"
    kept = "the last checkpoint is kept" if is_begun else "nothing was begun, and the same command"
    disk_full_at(monkeypatch, name, calls)
    with pytest.raises(RunError, match=rf"t/{name}: No space left on device; {kept}"):
        run_training(train, folder, Notes())
    assert folder.exists() == is_begun
    assert not list(folder.glob(".*"))
    monkeypatch.undo()
    assert run_training(train, folder, Notes(), resume=is_begun).finished
    assert contents(folder) == whole
    assert (folder / "summary.json").is_file()


def test_a_full_disk_while_metrics_are_written(config: SearchConfig, tmp_path: Path) -> None:
    class Full(Failing):
        def fail(self) -> None:
            raise OSError(28, "No space left on device", str(tmp_path / "s" / "metrics.jsonl"))

    with pytest.raises(RunError, match=r"metrics.jsonl: No space left on device; the last check"):
        run_search(config, tmp_path / "s", Full(3))
    assert load_checkpoint(tmp_path / "s" / "checkpoint.pt", "search")["step"] == 2


@pytest.mark.parametrize(
    "problem",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate"),
        MemoryError(),
    ],
    ids=lambda problem: type(problem).__name__,
)
def test_out_of_memory_is_said_with_the_batch(problem: Exception) -> None:
    with (
        pytest.raises(
            RunError, match="out of memory on cpu with batches of 2; a run with a smaller"
        ),
        memory_explained(torch.device("cpu"), "batches of 2"),
    ):
        raise problem


@pytest.mark.parametrize(
    ("steps", "kept"),
    [
        (1, "nothing was begun, and the same command can be given again"),
        (2, "there is no checkpoint yet, and --resume begins anew"),
        (3, "the last checkpoint is kept, and --resume goes on from it"),
    ],
)
def test_out_of_memory_says_what_is_kept(
    steps: int, kept: str, config: SearchConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A checkpoint is written after the second step; the first is logged before the second."""

    class Full(Failing):
        def fail(self) -> None:
            raise MemoryError

    if steps == 1:  # before anything was measured
        monkeypatch.setattr(DetectionLoss, "__call__", lambda *_: Full(1).fail())
    with pytest.raises(RunError, match=f"takes less; {kept}$"):
        run_search(config, tmp_path / "s", Full(steps if steps == 3 else 1))
    monkeypatch.undo()
    assert (tmp_path / "s").exists() == (steps > 1)
    assert (tmp_path / "s" / "checkpoint.pt").exists() == (steps == 3)


def test_really_out_of_memory() -> None:
    with (
        pytest.raises(RunError, match="out of memory on cpu"),
        memory_explained(torch.device("cpu"), "much"),
    ):
        torch.empty(2**60)


def test_other_errors_stay_what_they_are() -> None:
    with (
        pytest.raises(RuntimeError, match="shape"),
        memory_explained(torch.device("cpu"), "batches of 2"),
    ):
        raise RuntimeError("shape mismatch")


def kill_a_worker(known: set[Any]) -> None:
    worker = next(each for each in multiprocessing.active_children() if each not in known)
    assert worker.pid is not None
    os.kill(worker.pid, signal.SIGKILL)
    worker.join(10)


@pytest.mark.parametrize("with_torchs_handler", [False, True])
def test_a_killed_worker_is_replaced(config: SearchConfig, with_torchs_handler: bool) -> None:
    """Also after another loader of the process, whose handler raises wherever the process is."""
    data = FaceDataset(read_wider_split(Path(config.data), "train"), AUGMENT, 0)
    expected = list(make_loader(data, 2, 0, 24, 0))
    progress = Notes()
    known = set(multiprocessing.active_children())
    if with_torchs_handler:
        torch_handlers._SIGCHLD_handler_set = False
        assert len(list(make_loader(data, 2, 0, 2, 1))) == 2
        assert signal.getsignal(signal.SIGCHLD) not in (None, signal.SIG_DFL)
    batches = Batches(data, 2, 0, 24, 2, WHOLE, progress.note)
    assert signal.getsignal(signal.SIGCHLD) == signal.SIG_DFL
    for at, (images, _) in enumerate(expected):
        assert torch.equal(next(batches)[0], images), at
        if at == 3:
            kill_a_worker(known)
    assert len(progress.notes) == 1
    assert "was killed" in progress.notes[0]
    with pytest.raises(StopIteration):
        next(batches)


def test_workers_that_die_again_and_again_end_the_run(
    config: SearchConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = FaceDataset(read_wider_split(Path(config.data), "train"), AUGMENT, 0)
    batches = Batches(data, 2, 0, 4, 0, WHOLE, Notes().note)

    def dies() -> Any:
        raise RuntimeError("DataLoader worker (pid(s) 7) exited unexpectedly")
        yield

    monkeypatch.setattr(batches, "_start", dies)
    batches.iterator = dies()
    with pytest.raises(RunError, match=f"workers: {MAX_DEATHS + 1} of the processes that load"):
        next(batches)


def test_a_run_killed_before_its_first_checkpoint_starts_over(
    config: SearchConfig, tmp_path: Path
) -> None:
    done = tmp_path / "done"
    run_search(config, done, Notes())
    folder = RunFolder(tmp_path / "begun")
    folder.create(config)
    folder.metrics.write_text('{"step": 1, "weight_loss": 3.0}\n{"step": 2, "wei')
    assert run_search(config, folder.path, Notes(), resume=True).finished
    assert folder.metrics.read_bytes() == (done / "metrics.jsonl").read_bytes()


def test_a_folder_whose_run_never_began_is_free(config: SearchConfig, tmp_path: Path) -> None:
    (tmp_path / ".config.123.tmp.yaml").write_text("half")
    RunFolder(tmp_path).create(config)
    with pytest.raises(RunError, match="exists and is not empty"):
        RunFolder(tmp_path).create(replace(config, seed=1))


def test_a_folder_in_use_is_told_before_images_are_read(
    config: SearchConfig, tmp_path: Path
) -> None:
    (tmp_path / "mine").write_text("precious")
    nowhere = replace(config, data=str(tmp_path / "none"))
    with pytest.raises(RunError, match="exists and is not empty"):
        run_search(nowhere, tmp_path, Notes())
    with pytest.raises(RunError, match=r"mine: is a file; choose another --out$"):
        run_search(nowhere, tmp_path / "mine", Notes())


def test_a_job_too_large_for_the_memory_says_so_with_figures(
    config: SearchConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nasface.engine.memory_estimate.available_mb", lambda _: 3.0)
    progress = Notes()
    run_search(replace(config, epochs=1), tmp_path / "s", progress)
    (warning,) = [note for note in progress.notes if "memory may not suffice" in note]
    assert "of 3 MB that are free; a smaller batch with more accumulate" in warning
