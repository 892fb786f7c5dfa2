"""What a comparison refuses before its first run: of its plan, and of its folder."""

import errno
import json
from pathlib import Path

import pytest
from comparisons import FPN, PAN, plan, row
from tiny import write_tiny

from nasface.errors import ConfigError, RunError
from nasface.io.yaml import to_yaml
from nasface.progress import Silent
from nasface.studies.folder import PLAN, write_plan
from nasface.studies.scheduler import run_comparison
from nasface.studies.spec import MethodSpec
from nasface.studies.study_run import runs_of


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny(tmp_path_factory.mktemp("data"))


@pytest.mark.parametrize("key", ["backbone_weights", "start_weights"])
def test_weights_that_are_not_there_are_named_before_any_run(
    key: str, data: Path, tmp_path: Path
) -> None:
    other = MethodSpec(name="pan", strategy="fixed", train={**PAN.train, key: "none.safetensors"})
    with pytest.raises(ConfigError, match=f"pan: train.{key}: none.safetensors does not exist"):
        run_comparison(plan(data, FPN, other), tmp_path / "out", 1, Silent())
    assert not (tmp_path / "out").exists()


def test_data_that_are_not_there_are_named_before_any_run(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"fpn: train.data: .*none does not exist"):
        run_comparison(plan(tmp_path / "none", FPN), tmp_path / "out", 1, Silent())
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["asfd-reff", "none.yaml", "asfd-ref.txt"])
def test_a_genotype_that_is_not_there_is_named_before_any_run(
    name: str, data: Path, tmp_path: Path
) -> None:
    other = MethodSpec(name="cells", strategy="fixed", train={"genotype": name})
    with pytest.raises(ConfigError, match=f"cells: train.genotype: .*{name}"):
        run_comparison(plan(data, FPN, other), tmp_path / "out", 1, Silent())
    assert not (tmp_path / "out").exists()


def test_rows_of_other_settings_are_refused(data: Path, tmp_path: Path) -> None:
    run = runs_of(plan(data, FPN))[0]
    folder = tmp_path / "out" / run.path
    folder.mkdir(parents=True)
    (folder / "run.yaml").write_text(to_yaml(run))
    (folder / "result.json").write_text(json.dumps(row("fpn", 0, 0.5)))
    wider = MethodSpec(
        name="fpn", strategy="fixed", train={"detector": {"neck": "fpn", "channels": 12}}
    )
    with pytest.raises(RunError, match=r"run\.yaml: train\.detector\.channels is not"):
        run_comparison(plan(data, wider), tmp_path / "out", 1, Silent())


def test_a_folder_of_something_else_is_refused(data: Path, tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_text("")
    with pytest.raises(RunError, match="is not the folder of a comparison"):
        run_comparison(plan(data, FPN), tmp_path, 1, Silent())


def test_a_plan_that_a_full_disk_refuses_leaves_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that the same comparison can be begun again, and nothing looks like one that was."""

    def full(path: Path, data: bytes) -> int:
        with path.open("wb") as file:
            file.write(data[:10])
        raise OSError(errno.ENOSPC, "No space left on device")

    made, out = plan(tmp_path, FPN), tmp_path / "above" / "out"
    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(RunError, match=r"out: cannot write there: No space left on device"):
            write_plan(made, out)
    assert not list(tmp_path.iterdir())
    write_plan(made, out)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(RunError, match="No space left on device"):
            write_plan(made, out)
    assert [each.name for each in out.iterdir()] == [PLAN], "a folder that was there stays"
