"""nasface.search: objects in, objects out."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import AUGMENT, DETECTOR, OPTIMIZER, Notes, StopAfter, write_tiny

import nasface
from nasface.annotations.records import AnnotatedDataset
from nasface.arch.io import check_membership
from nasface.detection.zoo_peers import PEERS
from nasface.engine.derive import load_history
from nasface.engine.search import SearchConfig, run_search
from nasface.errors import ConfigError
from nasface.io.settings import load_config
from nasface.nas.sampling import random_genotype
from nasface.progress import Silent
from nasface.runs.checkpoint import load_checkpoint

SETTINGS: dict[str, Any] = {
    "model": DETECTOR,
    "epochs": 2,
    "warmup_epochs": 1,
    "batch_size": 2,
    "augment": AUGMENT,
    "optimizer": {"name": "adamw", "lr": OPTIMIZER.lr, "warmup_steps": 2},
    "device": "cpu",
}


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> AnnotatedDataset:
    return nasface.read_dataset(write_tiny(tmp_path_factory.mktemp("data")), "train")


@pytest.fixture(scope="module")
def found(images: AnnotatedDataset) -> nasface.SearchResult:
    settings = {**SETTINGS, "device": torch.device("cpu")}
    return nasface.search("autofem-fpn", images, **settings)


def files_equal(one: Path, other: Path) -> None:
    """What two searches wrote, but for times and the hardware."""
    assert {path.name for path in one.iterdir()} == {path.name for path in other.iterdir()}
    for name in ("config.yaml", "metrics.jsonl", "genotype.yaml", "decisions.json"):
        assert (one / name).read_bytes() == (other / name).read_bytes(), name
    models = [load_checkpoint(each / "checkpoint.pt", "search")["model"] for each in (one, other)]
    for key, value in models[0].items():
        assert torch.equal(value, models[1][key]), key


def test_search_writes_nothing_without_out(
    found: nasface.SearchResult, images: AnnotatedDataset, monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Path, "write_bytes", None)
    again = nasface.search("autofem-fpn", images, **SETTINGS)
    assert not list(tmp_path.iterdir())
    assert (again.folder, again.finished) == (None, True)
    assert again.genotype == found.genotype
    assert again.history == found.history


def test_result_tells_what_was_found(found: nasface.SearchResult) -> None:
    space = nasface.load_search_space("autofem-fpn")
    assert found.genotype.space.digest == space.digest
    table = found.decisions()
    assert table.columns == ["cell", "node", "candidates", "entropy", "margin", "least", "most",
                             "what"]  # fmt: skip
    assert {row["cell"] for row in table} == {"fpn"}
    assert all(0 <= row["entropy"] <= 1.000001 and row["least"] <= row["most"] for row in table)
    assert found.arch_history.epochs == [1, 2]
    # The searched cell of the last epoch is the result.
    assert found.arch_history.genotypes()[-1].cells == found.genotype.cells
    assert found.history.column("step") == [1, 2, 3, 4]
    text = repr(found)
    assert "finished after 4 steps in space autofem-fpn" in text
    assert f"of {len(table)} choices are open" in text
    assert found.verdict.is_undecided
    assert "fpn: share of each candidate; dots are what is kept" in [
        axes.get_title() for axes in found.plot().axes
    ]


def test_search_with_out_is_the_search_of_its_settings(
    found: nasface.SearchResult, images: AnnotatedDataset, tmp_path: Path
) -> None:
    result = nasface.search("autofem-fpn", images, out=tmp_path / "api" / "run", **SETTINGS)
    config = load_config(SearchConfig, tmp_path / "api" / "run" / "config.yaml")
    assert (config.data, config.space) == (str(images.root), "autofem-fpn")
    run_search(config, tmp_path / "engine" / "run", Silent())
    files_equal(tmp_path / "api" / "run", tmp_path / "engine" / "run")
    assert result.genotype.cells == found.genotype.cells
    assert nasface.derive_genotype(tmp_path / "api" / "run").cells == found.genotype.cells
    saved = load_history(tmp_path / "api" / "run").scores["fpn"]
    assert saved.tobytes() == result.arch_history.scores["fpn"].tobytes()


def test_stopped_search_goes_on_as_if_it_was_not(images: AnnotatedDataset, tmp_path: Path) -> None:
    def run(folder: str, progress: Any = False, resume: bool = False) -> nasface.SearchResult:
        out = tmp_path / folder / "run"
        return nasface.search(
            "autofem-fpn", images, out=out, progress=progress, resume=resume, **SETTINGS
        )

    run("whole")
    stopped = run("parts", StopAfter(3))
    assert not stopped.finished
    assert "stopped after 3 steps" in repr(stopped)
    resumed = run("parts", resume=True)
    assert resumed.finished
    assert resumed.history.column("step") == [1, 2, 3, 4]
    files_equal(tmp_path / "whole" / "run", tmp_path / "parts" / "run")


def test_the_cells_take_the_place_of_a_published_necks(
    images: AnnotatedDataset, tmp_path: Path
) -> None:
    """Anchors, assignment and loss stay those of the model's name."""
    space = nasface.load_search_space("autofem2", levels="3-5", nodes=2, partial=4)
    name, out = "retinaface-mobilenet0.25", tmp_path / "run"
    settings = {**SETTINGS, "model": name, "epochs": 1, "warmup_epochs": 0}
    result = nasface.search(space, images, out=out, detector={"channels": 8}, **settings)
    assert result.finished
    found, spec = load_config(SearchConfig, out / "config.yaml"), PEERS[name]
    assert (found.match, found.loss) == (spec.match, spec.loss)
    assert found.detector == replace(spec.detector, neck="genotype", channels=8)
    made = nasface.create_detector(name, result.genotype, neck="genotype", device="cpu")
    assert made.genotype == result.genotype


def test_the_cells_take_the_place_of_the_neck_of_settings(
    images: AnnotatedDataset, tmp_path: Path
) -> None:
    """As those of a released detector, whose name is refused with a word on them."""
    settings = {**SETTINGS, "epochs": 1, "warmup_epochs": 0}
    settings["model"] = replace(DETECTOR, neck="bifpn", repeats=2)
    nasface.search("autofem-fpn", images, out=tmp_path / "run", **settings)
    assert load_config(SearchConfig, tmp_path / "run" / "config.yaml").detector == DETECTOR
    with pytest.raises(ConfigError, match=r"expected load_detector\('asfd-nano'\)\.config"):
        nasface.search("autofem-fpn", images, model="asfd-nano")


def test_search_of_objects_without_a_name_can_be_derived_and_resumed_from_its_folder(
    images: AnnotatedDataset, tmp_path: Path
) -> None:
    """Space and prefix exist in memory only; the folder holds them."""
    space = nasface.load_search_space("autofem-cpm", nodes=4)
    mine = replace(space, name="mine", partial_channels=1)
    prefix = replace(nasface.load_genotype("asfd-fpn-ref"), name="my-prefix")
    out = tmp_path / "run"
    settings = {**SETTINGS, "epochs": 1, "warmup_epochs": 0}
    result = nasface.search(mine, images, out=out, prefix_genotype=prefix, **settings)
    assert next(iter(result.genotype.cells)) == "fpn"
    assert nasface.load_search_space(out / "space.yaml") == mine
    assert nasface.derive_genotype(out).cells == result.genotype.cells
    assert nasface.derive_genotype(out).space == result.genotype.space
    config = load_config(SearchConfig, out / "config.yaml")
    assert run_search(config, out, Silent(), resume=True).finished


def test_warm_up_is_two_fifths_of_the_epochs_unless_given(images: AnnotatedDataset) -> None:
    settings = {name: value for name, value in SETTINGS.items() if name != "warmup_epochs"}
    progress = Notes()
    found = nasface.search("autofem-fpn", images, progress=progress, **(settings | {"epochs": 3}))
    assert [row["step"] for row in found.history if "arch_loss" not in row] == [1, 2]
    assert any(note.startswith("warm-up over") for note in progress.notes)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"batchsize": 2}, "search: there is no 'batchsize'; did you mean 'batch_size'?"),
        ({"arch_lr": 0.0}, "arch_lr 0.0"),
        ({"parameters": {"nodes": 4}}, "parameters: is no setting here"),
        ({"resume": True}, "resume: needs the folder of the stopped run"),
    ],
)
def test_arguments_that_do_not_fit(
    settings: dict[str, Any], message: str, images: AnnotatedDataset
) -> None:
    with pytest.raises(ConfigError) as error:
        nasface.search("autofem-fpn", images, **settings)
    assert message in str(error.value)


def test_widths_are_searched_trained_evaluated_exported_and_drawn(
    images: AnnotatedDataset, tmp_path: Path
) -> None:
    space = nasface.load_search_space("autofem2", levels="3-5", nodes=2, width="any")
    model = replace(DETECTOR, levels=(3, 4, 5))
    found = nasface.search(space, images, **{**SETTINGS, "model": model}).genotype
    check_membership(found)
    # What was found may have no narrow cell, or all of them.
    narrow = replace(random_genotype(space, 0).cells["cpm_c3"], width=0.5)
    genotype = replace(found, cells={"fpn": found.cells["fpn"], "cpm_c3": narrow})
    detector = nasface.create_detector(model, genotype, device="cpu")
    training = {key: SETTINGS[key] for key in ("augment", "optimizer", "batch_size")}
    nasface.train(detector, images, epochs=1, **training)
    detector.save(tmp_path / "w.safetensors")
    again = nasface.load_detector(tmp_path / "w.safetensors", device="cpu")
    assert again.genotype == genotype
    assert again.evaluate(images).ap is not None
    for name in ("face.onnx", "face.py"):
        assert again.export(tmp_path / name).relative < 1e-4
    assert "cpm_c3 (stride 8, width 0.5)" in nasface.draw(genotype).svg
