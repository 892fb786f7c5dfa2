"""Values of other kinds than fields and arguments have: refused with what is accepted."""

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny import write_tiny
from torch import nn

import nasface
from nasface.engine.detect import DetectConfig
from nasface.errors import ConfigError, NasfaceError
from nasface.kinds import Settings

WRONG: tuple[object, ...] = (
    "a\0",
    5,
    5.5,
    True,
    b"x",
    [],
    [object()],
    {"a": 1},
    object(),
    nn.ReLU(),
)


def kinds_of_settings() -> list[type[Settings]]:
    """All dataclasses of settings in the package."""
    for each in pkgutil.walk_packages(nasface.__path__, "nasface."):
        if not each.name.startswith("nasface.deploy.templates") and "__main__" not in each.name:
            importlib.import_module(each.name)
    found: set[type[Settings]] = set()
    new = {Settings}
    while new := {kind for each in new for kind in each.__subclasses__()} - found:
        found |= new
    return [each for each in found if each.__module__.startswith("nasface.")]


@dataclass(frozen=True, kw_only=True)
class Inner(Settings):
    at: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.at < 0:
            raise ConfigError(f"at: {self.at}, expected 0 or more")


@dataclass(frozen=True, kw_only=True)
class Outer(Settings):
    count: int = 1
    sizes: tuple[int, ...] = ()
    where: Path = Path()
    inner: Inner = field(default_factory=Inner)


def test_what_a_file_has_is_turned_into_what_fields_are() -> None:
    given: Any = {"count": np.int64(3), "sizes": [4, 5], "where": "a", "inner": {"at": 1}}
    made = Outer(**given)
    assert made == Outer(count=3, sizes=(4, 5), where=Path("a"), inner=Inner(at=1.0))
    assert (type(made.count), type(made.inner.at)) == (int, float)
    arrays: Any = {"sizes": np.array([4, 5]), "inner": {"at": np.float32(0.25)}}
    assert Outer(**arrays) == Outer(sizes=(4, 5), inner=Inner(at=0.25))


def test_a_device_of_torch_is_its_name() -> None:
    where: Any = torch.device("cuda", 1)
    assert DetectConfig(device=where).device == "cuda:1"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"count": "3"}, "count: Input should be a valid integer, got '3'"),
        ({"count": True}, "count: Input should be a valid integer, got True"),
        ({"sizes": [4, "x"]}, "sizes: 1: Input should be a valid integer, got 'x'"),
        ({"inner": 5}, "inner: expected a map of settings, got 5"),
        ({"inner": {"att": 5}}, "inner: att: unknown key; expected one of at; did you mean 'at'?"),
        ({"inner": {"at": -1}}, "inner: at: -1.0, expected 0 or more"),
        ({"inner": object()}, "inner: is of type object; expected text, numbers, lists and maps"),
        ({"inner": {"at": float("nan")}}, "inner: at: is nan, expected a finite number"),
        ({"where": 5}, "where: Input should be a valid string, got 5"),
    ],
)
def test_other_kinds_are_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Outer(**given)
    assert str(caught.value) == message


def test_all_settings_refuse_other_kinds() -> None:
    kinds = [kind for kind in kinds_of_settings() if not needs_values(kind)]
    assert {"SearchConfig", "TrainConfig", "SampleConfig"} <= {kind.__name__ for kind in kinds}
    for kind in kinds:
        for each in fields(kind):  # type: ignore[arg-type]
            if each.init:
                assert refusals(kind, {}, each.name), f"{kind.__name__}.{each.name}"


def needs_values(kind: type[Settings]) -> bool:
    """Whether a field has no default."""
    own: Any = kind
    return any(each.default is each.default_factory is MISSING for each in fields(own))


def refusals(call: Callable[..., object], arguments: Mapping[str, Any], name: str) -> int:
    """How many values of other kinds an argument refuses; errors of Python are not caught."""
    refused = 0
    for wrong in WRONG:
        try:
            call(**{**arguments, name: wrong})
        except NasfaceError:
            refused += 1
    return refused


def calls(data: Path, out: Path) -> Mapping[str, Mapping[str, Any]]:
    """Public name -> its arguments; what would take long is refused for the last of them."""
    detector = nasface.load_detector("asfd-nano", device="cpu")
    genotype = nasface.load_genotype("asfd-ref")
    parts = ("format", "name", "space", "cells")
    return {
        "FaceDetector": dict(module=None, config=detector.config),
        "Genotype": {name: getattr(genotype, name) for name in parts},
        "ImageRecord": dict(name="a", path="a", boxes_M4=[], attributes={}, exif="ignore"),
        "Table": dict(rows=[]),
        "convert": dict(source=data, to="coco", out=out / "taken"),
        "create_neck": dict(genotype=genotype, in_channels=[8] * 6, out_channels=8, num_outs=9),
        "derive_genotype": dict(run=out, epoch=1),
        "diff": dict(first=genotype, second=genotype),
        "draw": dict(source=genotype, path=out / "a", cells=(), probabilities=None),
        "estimate_search": dict(config=None),
        "evaluate": dict(detector={}, dataset=data, protocol="none", out=None),
        "export": dict(detector=detector, path=out / "a.b", config=None, to="none"),
        "list_genotypes": dict(pattern="*"),
        "list_models": dict(pattern="*"),
        "list_search_spaces": dict(pattern="*"),
        "load_detector": dict(path="asfd-nano", device="none", precision="float32"),
        "load_genotype": dict(name="asfd-ref"),
        "load_search_space": dict(name="autofem", parameters=None, operations=None),
        "plot": dict(results=[out], path=None, labels=()),
        "quantize": dict(detector=detector, path=out / "a.b", data=data, images=()),
        "read_dataset": dict(
            root=data, split="val", format=None, classes=(), val_fraction=0.0, split_file=""
        ),
        "search": dict(space="autofem", data=data, model="d0", epochs=None, batch_size=99),
        "search_from_config": dict(config=None),
        "train": dict(detector=detector, train=data, val=None, epochs=None, batch_size=99),
        "train_from_config": dict(config=None),
    }


def test_no_function_ends_in_an_error_of_python(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").touch()
    for name, arguments in calls(write_tiny(tmp_path / "data"), tmp_path).items():
        for each in set(arguments) - {"batch_size"}:
            refusals(getattr(nasface, name), arguments, each)
