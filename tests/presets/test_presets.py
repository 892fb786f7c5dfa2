"""Packaged files of settings: their names, and that each holds what its command reads."""

from pathlib import Path

import pytest

from nasface.arch.io import load_search_space
from nasface.cli.main import main
from nasface.cli.options import parse
from nasface.cli.presets import first_sentence
from nasface.cli.search import SearchCommand
from nasface.detection.checkpoint import read_checkpoint
from nasface.engine.search import SearchConfig
from nasface.engine.train import TrainConfig, train_config_of
from nasface.errors import ConfigError
from nasface.io.settings import load_config
from nasface.models import released_models
from nasface.presets import preset_path, presets
from nasface.studies.side_by_side.plan import is_models_plan, load_models_plan
from nasface.studies.spec import load_plan
from nasface.studies.study_run import runs_of
from nasface.synthetic.dataset import SampleConfig

Output = pytest.CaptureFixture[str]
KINDS: dict[str, type] = {"sample": SampleConfig, "search": SearchConfig, "train": TrainConfig}
PRESETS = presets()


@pytest.mark.parametrize("name", PRESETS)
def test_preset_is_what_its_command_reads(name: str) -> None:
    preset = PRESETS[name]
    if is_models_plan(preset.path):
        models = load_models_plan(preset.path)
        assert models.name == name
        assert models.groups()
        return
    if preset.command == "compare":
        plan = load_plan(preset.path)
        assert plan.name == name
        runs = runs_of(plan)
        assert runs
        for run in runs:
            if run.search is not None:
                load_search_space(run.search.space, run.search.parameters)
        return
    config: object = load_config(KINDS[preset.command], preset.path)
    if isinstance(config, SearchConfig):
        load_search_space(config.space, config.parameters)


def test_names_are_unique_and_every_preset_says_what_it_is_for() -> None:
    files = [path for each in PRESETS.values() for path in each.path.parents[1].glob("*/*.yaml")]
    assert len({path.stem for path in files}) == len(set(files)) == len(PRESETS)
    assert all(len(preset.text) > 30 for preset in PRESETS.values())


def test_other_files_are_left_as_they_are() -> None:
    assert preset_path("mine.yaml", "train") == Path("mine.yaml")


@pytest.mark.parametrize("file", ["quickstart-train", "presets:quickstart-train", "quick-train"])
def test_the_name_of_a_preset_in_the_place_of_a_file(file: str) -> None:
    wanted = f"^{file}: is no file; did you mean 'preset:quickstart-train'\\?$"
    with pytest.raises(ConfigError, match=wanted):
        preset_path(file, "train")
    path = f"mine/{file}.yaml"
    assert preset_path(path, "train") == Path(path)


def test_a_preset_of_another_command_is_refused_with_the_own_ones() -> None:
    with pytest.raises(ConfigError, match=r"^preset:table2-small: no preset of nasface search; "):
        preset_path("preset:table2-small", "search")
    with pytest.raises(ConfigError, match=r"expected .*quickstart-search"):
        preset_path("preset:quickstart", "search")
    with pytest.raises(ConfigError, match="expected a file"):
        preset_path("preset:quickstart", "detect")


def test_command_line_takes_presets(tmp_path: Path, capsys: Output) -> None:
    words = ["--config", "preset:quickstart-sample", "--train", "2", "--val", "1"]
    assert main(["sample", str(tmp_path / "data"), *words]) == 0
    assert len(list((tmp_path / "data" / "WIDER_train").rglob("*.jpg"))) == 2
    capsys.readouterr()
    assert main(["train", "--config", "preset:none", "--out", str(tmp_path / "run")]) == 2
    assert "backbone-train" in capsys.readouterr().err
    assert main(["compare", "preset:none", "--out", str(tmp_path / "run")]) == 2
    assert "table2-small" in capsys.readouterr().err


def test_list_has_every_preset(capsys: Output) -> None:
    assert main(["presets"]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in PRESETS)


def test_a_preset_is_printed_as_its_file_is(capsys: Output) -> None:
    assert main(["presets", "preset:quickstart-train"]) == 0
    assert capsys.readouterr().out == PRESETS["quickstart-train"].path.read_text()
    assert main(["presets", "quickstart"]) == 2
    assert "quickstart-train" in capsys.readouterr().err


def test_first_sentence() -> None:
    assert first_sentence("One: of\ntwo 0.5 long; and more. Two.") == "One: of two 0.5 long"
    assert first_sentence("no end") == "no end"


def test_quickstart_warm_up_reaches_every_candidate() -> None:
    sample = load_config(SampleConfig, PRESETS["quickstart-sample"].path)
    search = load_config(SearchConfig, PRESETS["quickstart-search"].path)
    space = load_search_space(search.space, search.parameters)
    warm_up_steps = search.warmup_within(search.epochs) * (sample.train // 2 // search.batch_size)
    most = max(
        sum(len(edge.operations) for edge in node.edges)
        if node.keep != "all"
        else max(len(edge.operations) for edge in node.edges)
        for cell in space.cells.values()
        for node in cell.nodes
    )
    assert most == 32
    assert warm_up_steps >= most


def test_the_second_training_of_d0_fits_the_weights_of_the_first() -> None:
    base = train_config_of("d0-dense")
    first, second = (
        load_config(TrainConfig, PRESETS[f"d0-{size}-train"].path, base) for size in (320, 640)
    )
    for each in (first, second):
        assert (each.model, each.genotype) == (base.model, base.genotype)
        assert each.detector == base.detector
    assert second.start_weights == "crops-320/last.safetensors"


@pytest.mark.parametrize("name", sorted(released_models()))
def test_a_released_detector_is_fine_tuned_as_it_was_trained(name: str) -> None:
    base = train_config_of("d0-dense") if name == "asfd-d0" else TrainConfig()
    last_training = "d0-640-train" if name == "asfd-d0" else f"{name}-train"
    first, tuned = (
        load_config(TrainConfig, PRESETS[preset].path, base)
        for preset in (last_training, f"{name}-finetune")
    )
    assert tuned.start_weights == name
    assert tuned.detector == first.detector
    assert tuned.detector == read_checkpoint(released_models()[name].weights).config
    assert (tuned.match, tuned.loss, tuned.inference) == (first.match, first.loss, first.inference)
    assert tuned.optimizer.lr == pytest.approx(first.optimizer.lr / 4)


@pytest.mark.parametrize("name", [name for name in PRESETS if name.endswith("-search")])
def test_presets_can_be_searched_for_fewer_epochs(name: str) -> None:
    config = parse(SearchCommand, ["--config", f"preset:{name}", "--epochs", "2"], "search")
    assert config.settings.warmup_within(2) == 0
