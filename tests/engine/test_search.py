import itertools
import json
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from tiny import AUGMENT, DETECTOR, OPTIMIZER, SMALL_SEARCH, StopAfter, write_tiny

from nasface.arch.io import load_genotype
from nasface.detection.backbones.registry import BACKBONES
from nasface.engine.derive import DeriveConfig, derive_run, load_history
from nasface.engine.distributed.world import World
from nasface.engine.estimate import estimate_search
from nasface.engine.job import RunContext
from nasface.engine.search import SearchConfig, load_search_inputs, make_search_job, run_search
from nasface.errors import NasfaceError
from nasface.nas.config import CostPenaltyConfig, policy_at
from nasface.nas.policy import ArgmaxPath, Softmax, UniformPath
from nasface.nn.cost import count_saved_bytes
from nasface.progress import Silent
from nasface.runs.checkpoint import load_checkpoint
from nasface.runs.folder import RunFolder, read_metrics


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def config(data: Path) -> SearchConfig:
    return SearchConfig(
        data=str(data),
        parameters={"nodes": 4},
        epochs=3,
        warmup_epochs=1,
        batch_size=2,
        detector=DETECTOR,
        augment=AUGMENT,
        optimizer=OPTIMIZER,
    )


@pytest.fixture(scope="module")
def small(config: SearchConfig) -> SearchConfig:
    return replace(config, **SMALL_SEARCH)


@pytest.fixture(scope="module")
def finished(config: SearchConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "search"
    assert run_search(config, out, Silent()).finished
    return out


def test_run_folder_is_complete(finished: Path, config: SearchConfig) -> None:
    names = {path.name for path in finished.iterdir()}
    assert names == {
        "config.yaml", "data.json", "environment.json", "metrics.jsonl", "checkpoint.pt",
        "genotype.yaml",
        "decisions.json", "arch_history.npz", "summary.json",
    }  # fmt: skip
    genotype = load_genotype(finished / "genotype.yaml")
    assert genotype == derive_run(DeriveConfig(run=str(finished)), genotype.name)
    assert genotype.provenance.step == 6
    with np.load(finished / "arch_history.npz") as history:
        assert history["epoch"].tolist() == [1, 2, 3]
        assert history["alpha.fpn"].shape[0] == 3
        first, *_, last = history["alpha.cpm_c2"]
        assert not np.array_equal(first, last), "choices move after the warm-up"
    rows = [json.loads(line) for line in (finished / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert ["arch_loss" in row for row in rows] == [False] * 2 + [True] * 4


def test_a_search_in_bfloat16_goes_on_the_same(
    finished: Path, config: SearchConfig, tmp_path: Path
) -> None:
    """It begins as the one in float32, up to rounding, and keeps its state in float32."""
    half = replace(config, precision="bf16")
    assert run_search(half, tmp_path / "whole", Silent()).finished
    out = tmp_path / "stopped"
    assert not run_search(half, out, StopAfter(3)).finished
    assert run_search(half, out, Silent(), resume=True).finished
    rows = [read_metrics(run / "metrics.jsonl") for run in (out, tmp_path / "whole", finished)]
    assert rows[0] == rows[1] != rows[2]
    assert rows[0][0]["weight_loss"] == pytest.approx(rows[2][0]["weight_loss"], rel=0.02)
    states = [load_checkpoint(run / "checkpoint.pt", "search") for run in (out, tmp_path / "whole")]
    for key, value in states[0]["model"].items():
        assert torch.equal(value, states[1]["model"][key]), key
        assert value.dtype in (torch.float32, torch.int64), key


@pytest.mark.parametrize("steps", [1, 2, 3, 5])
def test_stopped_and_resumed_is_the_uninterrupted_run(
    steps: int, finished: Path, config: SearchConfig, tmp_path: Path
) -> None:
    out = tmp_path / "search"
    assert not run_search(config, out, StopAfter(steps)).finished
    assert len((out / "metrics.jsonl").read_text().splitlines()) == steps
    assert run_search(config, out, Silent(), resume=True).finished
    for name in ("metrics.jsonl", "genotype.yaml", "decisions.json", "config.yaml"):
        assert (out / name).read_bytes() == (finished / name).read_bytes(), name
    one, other = (load_checkpoint(run / "checkpoint.pt", "search") for run in (out, finished))
    for key, value in one["model"].items():
        assert torch.equal(value, other["model"][key]), key


def test_a_search_whose_operations_grow_goes_on_the_same(
    small: SearchConfig, tmp_path: Path
) -> None:
    """Six steps, two with each K; stopped before and behind a change."""
    growing = replace(small, partial_stages=(4, 2, 1))
    assert run_search(growing, tmp_path / "whole", Silent()).finished
    for steps in (2, 3):
        out = tmp_path / f"stopped-{steps}"
        assert not run_search(growing, out, StopAfter(steps)).finished
        assert run_search(growing, out, Silent(), resume=True).finished
        runs = [out, tmp_path / "whole"]
        assert len({(each / "metrics.jsonl").read_bytes() for each in runs}) == 1
        one, other = (load_checkpoint(each / "checkpoint.pt", "search")["model"] for each in runs)
        assert one.keys() == other.keys()
        assert all(torch.equal(value, other[key]) for key, value in one.items())
    context = RunContext(World(), torch.device("cpu"), RunFolder(tmp_path / "whole"))
    search = make_search_job(growing, load_search_inputs(growing), context)
    assert search.model.neck.partial == 4
    before = search.footprint()
    search.load_weights()
    assert search.model.neck.partial == 1
    # Memory is that of the widest, from the start.
    assert before.activations_mb == search.footprint().activations_mb


def test_a_search_of_widths_goes_on_the_same(config: SearchConfig, tmp_path: Path) -> None:
    widths: dict[str, bool | int | str] = {"nodes": 2, "levels": "3-5", "width": "any"}
    detector = replace(DETECTOR, levels=(3, 4, 5))
    searching = replace(config, space="autofem2", parameters=widths, detector=detector)
    whole, out = tmp_path / "whole" / "search", tmp_path / "stopped" / "search"
    assert run_search(searching, whole, Silent()).finished
    assert not run_search(searching, out, StopAfter(3)).finished
    assert run_search(searching, out, Silent(), resume=True).finished
    for name in ("metrics.jsonl", "genotype.yaml", "decisions.json"):
        assert (out / name).read_bytes() == (whole / name).read_bytes(), name
    one, other = (load_checkpoint(run / "checkpoint.pt", "search") for run in (out, whole))
    assert all(torch.equal(value, other["model"][key]) for key, value in one["model"].items())
    genotype = load_genotype(out / "genotype.yaml")
    assert genotype == derive_run(DeriveConfig(run=str(out)), genotype.name)
    rows = json.loads((out / "decisions.json").read_text())
    chosen = [(row["cell"], row["node"]) for row in rows if row["what"] == "width"]
    assert chosen == [(f"cpm_c{level}", "width") for level in (3, 4, 5)]
    assert len(load_history(out).genotypes()) == 3
    assert load_history(out).genotypes()[-1].cells == genotype.cells


def test_a_finished_run_is_not_overwritten(finished: Path, config: SearchConfig) -> None:
    before = (finished / "genotype.yaml").read_bytes()
    with pytest.raises(NasfaceError, match="exists and is not empty"):
        run_search(config, finished, Silent())
    assert (finished / "genotype.yaml").read_bytes() == before


def test_resuming_with_other_settings_names_the_setting(
    finished: Path, config: SearchConfig
) -> None:
    with pytest.raises(NasfaceError, match="seed is 0, asked for is 1"):
        run_search(replace(config, seed=1), finished, Silent(), resume=True)


def test_derive_at_an_epoch(finished: Path) -> None:
    assert derive_run(DeriveConfig(run=str(finished), epoch=1), "one").provenance.step == 2
    with pytest.raises(NasfaceError, match="no epoch 7; it holds 1 to 3"):
        derive_run(DeriveConfig(run=str(finished), epoch=7), "seven")


def test_paths_are_uniform_in_the_warm_up_and_the_noise_falls_to_zero(config: SearchConfig) -> None:
    assert policy_at(config, 0, 10, 110) == UniformPath()
    assert policy_at(config, 9, 10, 110) == UniformPath()
    assert policy_at(config, 10, 10, 110) == ArgmaxPath(noise=1.0, probes=1)
    assert policy_at(config, 50, 10, 110) == ArgmaxPath(noise=0.5, probes=1)
    assert policy_at(config, 90, 10, 110) == ArgmaxPath(noise=0.0, probes=1)
    assert policy_at(replace(config, policy="softmax"), 0, 10, 110) == Softmax()


def test_cells_of_a_fixed_genotype_come_first(
    finished: Path, config: SearchConfig, tmp_path: Path
) -> None:
    fpn = replace(config, space="autofem-fpn", parameters={}, epochs=1, warmup_epochs=0)
    first = run_search(fpn, tmp_path / "fpn", Silent())
    behind = replace(
        config,
        space="autofem-cpm",
        prefix_genotype=str(tmp_path / "fpn" / "genotype.yaml"),
        epochs=1,
        warmup_epochs=0,
    )
    both = run_search(behind, tmp_path / "cpm", Silent()).genotype
    assert list(both.cells) == ["fpn", *(f"cpm_c{level}" for level in range(2, 8))]
    assert both.cells["fpn"] == first.genotype.cells["fpn"]


def test_too_many_skips_end_a_search(small: SearchConfig, tmp_path: Path) -> None:
    """A limit of zero is passed after the first architecture steps; the epoch before is the
    result."""
    limited = replace(small, max_skip_connections=0)
    out = tmp_path / "search"
    result = run_search(limited, out, Silent())
    assert result.finished
    rows = (out / "metrics.jsonl").read_text().splitlines()
    assert len(rows) == 4, "one epoch after the warm-up"
    assert result.genotype.provenance.step == 2
    assert derive_run(DeriveConfig(run=str(out)), "x").cells == result.genotype.cells
    assert run_search(limited, out, Silent(), resume=True).genotype == result.genotype
    assert len((out / "metrics.jsonl").read_text().splitlines()) == 4


@pytest.mark.parametrize("policy", ["argmax", "softmax"])
def test_estimate(small: SearchConfig, policy: Literal["argmax", "softmax"]) -> None:
    changed = replace(small, policy=policy)
    before = set(Path.cwd().iterdir())
    found = estimate_search(changed)
    assert set(Path.cwd().iterdir()) == before
    assert (found.steps, found.warmup_steps) == (6, 2)
    assert found.fits
    assert found.seconds is not None
    assert found.seconds > 0
    context = RunContext(World(), torch.device("cpu"))
    search = make_search_job(changed, load_search_inputs(changed), context)
    model = search.model
    images = torch.randn(small.batch_size, 3, small.augment.size, small.augment.size)
    kept = []
    # Softmax runs the same in each step.
    for step in range(6) if policy == "argmax" else (0, 5):
        mixture = model.neck.arch_parameters.mixture(
            policy_at(changed, step, 2, 6), seed=small.seed, step=step
        )
        with count_saved_bytes(*model.parameters(), *model.buffers(), images) as saved:
            model.forward_train(images, mixture)
        kept.append(saved.total / 1e6)
    assert 0.4 * max(kept) < found.activations_mb < 1.1 * max(kept)


def test_an_estimate_counts_processor_time_on_the_cpu(
    small: SearchConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = itertools.count(step=1.5)
    monkeypatch.setattr("nasface.engine.estimate.time.thread_time", lambda: next(clock))
    found = estimate_search(small)
    assert (found.seconds_per_warmup_step, found.seconds_per_step) == (1.5, 1.5)
    assert found.seconds == 6 * 1.5


def test_a_search_too_large_for_the_memory_is_not_timed(small: SearchConfig) -> None:
    huge = replace(small, augment=replace(small.augment, size=2**16))
    found = estimate_search(huge)
    assert not found.fits
    assert found.seconds is None
    assert found.activations_mb > found.available_mb


def test_the_size_limit_reaches_the_search(small: SearchConfig, tmp_path: Path) -> None:
    limited = replace(small, cost_penalty=CostPenaltyConfig(weight=1.0, target=1e6))
    run_search(limited, tmp_path / "s", Silent())
    rows = [json.loads(r) for r in (tmp_path / "s" / "metrics.jsonl").read_text().splitlines()]
    sizes = [row["expected_size"] for row in rows if "arch_loss" in row]
    assert len(sizes) == 4
    assert sizes[-1] < sizes[0]


def test_a_search_starts_from_a_backbone_and_leaves_its_frozen_stages(
    config: SearchConfig, tmp_path: Path
) -> None:
    torch.manual_seed(9)
    given = BACKBONES[DETECTOR.backbone]().state_dict()
    torch.save(given, tmp_path / "b.pth")
    start = replace(config, backbone_weights=str(tmp_path / "b.pth"), freeze_stages=3, epochs=2)
    assert run_search(start, tmp_path / "run", Silent()).finished
    model = load_checkpoint(tmp_path / "run" / "checkpoint.pt", "search")["model"]
    same = {key: torch.equal(model[f"trunk.backbone.{key}"], given[key]) for key in given}
    frozen = [key for key in given if key.startswith(("stem", "stages.2", "stages.3"))]
    assert frozen
    assert all(same[key] for key in frozen)
    assert not any(same[key] for key in given if key not in frozen and key.endswith("weight"))
