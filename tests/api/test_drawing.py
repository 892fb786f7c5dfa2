"""What can be drawn, and what is refused by name."""

from pathlib import Path
from typing import Any

import pytest
from tiny import tiny_genotype, write_lively_weights

import nasface


def test_a_model_its_name_and_its_file_have_one_drawing(tmp_path: Path) -> None:
    detector = nasface.create_detector("extd-32", device="cpu")
    by_name = nasface.draw("extd-32", tmp_path / "found.svg")
    assert by_name.dot == nasface.draw(detector).dot
    detector.save(tmp_path / "mine.safetensors")
    assert nasface.draw(tmp_path / "mine.safetensors").dot == by_name.dot
    assert (tmp_path / "found.svg").read_text("utf-8").startswith("<?xml")


def test_weights_are_drawn_with_their_cells(tmp_path: Path) -> None:
    weights = write_lively_weights(tmp_path / "found.safetensors")
    dot = nasface.draw(weights).dot
    assert all(f"{name} (stride" in dot for name in tiny_genotype().cells)


def test_another_genotype_in_a_model() -> None:
    genotype = tiny_genotype()
    drawn = nasface.draw("d0", genotype=genotype)
    assert drawn.dot == nasface.draw(nasface.create_detector("d0", genotype, device="cpu")).dot
    assert f"Searched cells: {genotype.name}." in drawn.dot


def test_another_neck_in_a_model() -> None:
    genotype = tiny_genotype()
    drawn = nasface.draw("extd-64", genotype=genotype, neck="genotype")
    made = nasface.create_detector("extd-64", genotype, neck="genotype", device="cpu")
    assert f"Searched cells: {genotype.name}." in drawn.dot
    # Made with settings of its own, it is called after its genotype.
    assert drawn.dot.replace("extd-64", genotype.name) == nasface.draw(made).dot
    assert "bifpn" in nasface.draw("d0", neck="bifpn").dot


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        ("extd-63", {}, "model: unknown 'extd-63'; expected weights, .* did you mean 'extd-64'"),
        ("extd-64", {"genotype": "asfd-ref"}, "extd-64 has none, .* expected neck genotype"),
        ("asfd-nano", {"neck": "fpn"}, "neck: is for a model of the zoo, which asfd-nano is not"),
        ("d0", {"path": 5}, "path: is of type int; expected"),
        ("asfd-ref", {"path": 5}, "path: is of type int; expected"),
        ("retinaface-r50", {"neck": "genotype"}, "takes level 2; the pyramid has levels 3, 4, 5"),
        ("asfd-ref", {"genotype": "asfd-ref"}, "is for a model of the zoo, which asfd-ref is not"),
        ("d0", {"against": "asfd-ref"}, "against: is for genotypes; d0 is no packaged name"),
        ("d0", {"probabilities": {}}, "probabilities: is for genotypes"),
        ("d0", {"path": "d0.gif"}, "cannot write this type"),
        (5, {}, "source: is of type int; expected a genotype, a detector"),
    ],
)
def test_mistakes(source: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(nasface.NasfaceError, match=message):
        nasface.draw(source, **options)
