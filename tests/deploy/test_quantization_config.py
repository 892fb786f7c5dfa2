"""Which convolutions 8-bit files keep in float, and how many bits weights have."""

from pathlib import Path

import pytest

from nasface.deploy.quantization import config
from nasface.deploy.quantization.config import (
    GraphNode,
    has_wide_dot_product,
    kept_convolutions,
    uses_reduced_range,
)


def test_first_and_last_convolutions() -> None:
    """Of a stem, a branch of one layer, and one of two behind an activation."""
    nodes = [
        GraphNode("stem", True, ["images", "w"], ["a"]),
        GraphNode("relu", False, ["a"], ["b"]),
        GraphNode("scores", True, ["b"], ["c"]),
        GraphNode("middle", True, ["b"], ["d"]),
        GraphNode("offsets", True, ["d"], ["e"]),
        GraphNode("softmax", False, ["c"], ["f"]),
    ]
    assert kept_convolutions(nodes, "images", "none") == []
    assert kept_convolutions(nodes, "images", "first") == ["stem"]
    assert sorted(kept_convolutions(nodes, "images", "last")) == ["offsets", "scores"]
    assert kept_convolutions(nodes, "images", "first-and-last")[0] == "stem"


@pytest.mark.parametrize(
    ("machine", "flags", "wide"),
    [
        ("x86_64", "flags : sse2 avx2", False),
        ("x86_64", "flags : avx2 avx512_vnni", True),
        ("AMD64", "flags : avx2 avx_vnni", True),
        ("x86_64", None, False),
        ("aarch64", None, True),
    ],
)
def test_weights_have_7_bits_where_8_would_overflow(
    machine: str, flags: str | None, wide: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = tmp_path / "cpuinfo"
    if flags is not None:
        info.write_text(flags)
    monkeypatch.setattr(config, "_CPU_INFO", info)
    monkeypatch.setattr("platform.machine", lambda: machine)
    assert has_wide_dot_product() is wide
    assert uses_reduced_range("auto") is not wide
    assert uses_reduced_range("yes")
    assert not uses_reduced_range("no")
