"""What a supernet thinks of cells."""

from pathlib import Path
from typing import Any

import pytest
from tiny import AUGMENT, DETECTOR, OPTIMIZER, tiny_genotype, write_tiny

from nasface.engine.search import SearchConfig, run_search
from nasface.errors import RunError, SpecError
from nasface.nas.sampling import random_genotype
from nasface.progress import Silent
from nasface.runs.checkpoint import load_checkpoint
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
    score.held_out = score.held_out[:1]
    assert score(cell) != before


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
