from pathlib import Path

import pytest

from nasface.arch.io import load_search_space
from nasface.data.synthetic.dataset import SampleConfig
from nasface.engine.config import SearchConfig, TrainConfig, train_config_of
from nasface.io.settings import load_config

PRESETS = Path(__file__).parents[1] / "scripts" / "presets"
KINDS: dict[str, type] = {"sample": SampleConfig, "search": SearchConfig, "train": TrainConfig}


@pytest.mark.parametrize("path", sorted(PRESETS.glob("*.yaml")), ids=lambda path: path.stem)
def test_preset_is_accepted(path: Path) -> None:
    kind = path.stem.rsplit("-", 1)[1]
    config: object = load_config(KINDS[kind], path)
    if isinstance(config, SearchConfig):
        load_search_space(config.space, config.parameters)


def test_quickstart_warm_up_reaches_every_candidate() -> None:
    sample = load_config(SampleConfig, PRESETS / "quickstart-sample.yaml")
    search = load_config(SearchConfig, PRESETS / "quickstart-search.yaml")
    space = load_search_space(search.space, search.parameters)
    warm_up_steps = search.warmup_epochs * (sample.train // 2 // search.batch_size)
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
        load_config(TrainConfig, PRESETS / f"d0-{size}-train.yaml", base) for size in (320, 640)
    )
    for each in (first, second):
        assert (each.model, each.genotype) == (base.model, base.genotype)
        assert each.detector == base.detector
    assert second.start_weights == "crops-320/last.safetensors"
