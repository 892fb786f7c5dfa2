"""What a supernet thinks of cells."""

from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import AUGMENT, DETECTOR, OPTIMIZER, tiny_genotype, write_tiny
from torch import nn

from nasface.data.dataset import make_loader
from nasface.detection.anchors import make_anchors
from nasface.detection.assignment import ANCHOR_RULES, ASSIGNERS
from nasface.detection.matching import MatchConfig
from nasface.engine.search import SearchConfig, run_search
from nasface.errors import RunError, SpecError
from nasface.nas.sampling import mixture_of, random_genotype
from nasface.progress import Silent
from nasface.runs.checkpoint import load_checkpoint
from nasface.structures import GridLevel, Predictions, ShotPair, Targets
from nasface.studies import one_shot
from nasface.studies.one_shot import OneShotScorer


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data and a finished search on uniform paths."""
    folder = tmp_path_factory.mktemp("searched")
    config = SearchConfig(
        data=str(write_tiny(folder / "data")),
        space="autofem-cpm",
        parameters={"nodes": 4},
        policy="uniform",
        epochs=2,
        warmup_epochs=2,
        batch_size=2,
        detector=DETECTOR,
        augment=AUGMENT,
        optimizer=OPTIMIZER,
    )
    assert run_search(config, folder / "run", Silent()).finished
    return folder


def test_scores_depend_on_the_cell_alone(searched: Path) -> None:
    """Not on what was scored before, though statistics of normalisations are shared."""
    score = OneShotScorer(searched / "run", str(searched / "data"))
    cells = [random_genotype(score.search.space, seed) for seed in range(3)]
    found = [score(cell) for cell in cells]
    assert len(set(found)) == 3
    assert [score(cell) for cell in reversed(cells)] == found[::-1]
    assert OneShotScorer(searched / "run", str(searched / "data"))(cells[1]) == found[1]


@pytest.mark.parametrize("pixels", [1, 2**21], ids=["small batches", "one batch"])
def test_a_score_is_the_loss_of_a_network_with_new_statistics(
    pixels: int, searched: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Literally: nothing cached, one pass after the other through the whole network."""
    monkeypatch.setattr(one_shot, "_PIXELS", pixels)
    score = OneShotScorer(searched / "run", str(searched / "data"), images=6)
    cell = random_genotype(score.search.space, 0)
    found = score(cell)
    model, loaders = score.search.model, score.search.loaders
    mixture = mixture_of(score.search.space, cell)
    together = 1 if pixels == 1 else 3
    crops = []
    for loader in loaders:
        parts = list(make_loader(loader.data, 2, 0, 3, 0))
        for at in range(0, 3, together):
            images, targets = zip(*parts[at : at + together], strict=True)
            crops.append((torch.cat(images), [one for each in targets for one in each]))
    statistics, held_out = crops[: len(crops) // 2], crops[len(crops) // 2 :]
    for each in model.modules():
        if isinstance(each, nn.BatchNorm2d):
            each.reset_running_stats()
            each.momentum = None
    with torch.no_grad():
        model.train()
        for batch, _ in statistics:
            model(batch, mixture)
        model.eval()
        losses = [
            float(score.search.loss.loss(ShotPair(None, model(batch, mixture)), asked).total)
            for batch, asked in held_out
        ]
    assert found == pytest.approx(-sum(losses) / len(losses), rel=1e-5)


@pytest.mark.parametrize("name", sorted(ANCHOR_RULES))
def test_rules_of_anchors_do_not_look_at_what_is_predicted(name: str) -> None:
    torch.manual_seed(0)
    config = MatchConfig(assignment=name)
    grid = (GridLevel(8, 8, 8, 1), GridLevel(4, 4, 16, 1))
    anchors = make_anchors([(8, 8), (4, 4)], [8, 16], DETECTOR.anchors)
    boxes = torch.tensor([[4.0, 6.0, 30.0, 36.0], [20.0, 20.0, 60.0, 60.0]])
    targets = [Targets(boxes, torch.tensor([False, True]))]
    found = [
        ASSIGNERS[name](
            Predictions(torch.randn(1, 80, 2), torch.randn(1, 80, 4), anchors, 1.0, grid),
            targets,
            config,
        )[0].face_A
        for _ in range(2)
    ]
    assert torch.equal(*found)
    assert (found[0] >= 0).any()


def test_only_weights_on_the_path_count(searched: Path) -> None:
    score = OneShotScorer(searched / "run", str(searched / "data"))
    cell = random_genotype(score.search.space, 0)
    before = score(cell)
    (edge,) = cell.cells["cpm_c2"].nodes[0].edges
    first: Any = score.search.model.neck.cells["cpm_c2"]
    for name, operation in first.edges[0].operations.items():
        for parameter in operation.parameters():
            parameter.data.mul_(1.0 if name == edge.operation else 7.0)
    assert score(cell) == before
    assert OneShotScorer(searched / "run", str(searched / "data"), images=2)(cell) != before


def test_scoring_leaves_the_run_as_it_is(searched: Path) -> None:
    files = {path: path.read_bytes() for path in (searched / "run").iterdir() if path.is_file()}
    score = OneShotScorer(searched / "run", str(searched / "data"))
    score(random_genotype(score.search.space, 0))
    assert files == {path: path.read_bytes() for path in files}
    assert load_checkpoint(searched / "run" / "checkpoint.pt", "search")


def test_what_cannot_be_scored_is_named(searched: Path, tmp_path: Path) -> None:
    score = OneShotScorer(searched / "run", str(searched / "data"))
    with pytest.raises(SpecError, match="cell 'cpm_c2' of autofem-cpm is missing"):
        score(tiny_genotype("autofem-fpn"))
    (tmp_path / "config.yaml").write_bytes((searched / "run" / "config.yaml").read_bytes())
    with pytest.raises(RunError, match=r"checkpoint\.pt"):
        OneShotScorer(tmp_path, str(searched / "data"))
