"""Search spaces and genotypes: whole samples, and how damaged ones are read."""

import json
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np

from nasface.arch.darts_format import write_darts_text
from nasface.arch.genotype import Genotype
from nasface.arch.genotype_text import read_genotype_text
from nasface.arch.io import load_genotype, load_search_space, parse_genotype
from nasface.arch.space import SearchSpace
from nasface.errors import SpecError
from nasface.io.files import read_text
from nasface.io.yaml import to_yaml
from nasface.nas.derive import derive

Samples = Sequence[bytes]


@cache
def fuzzed_space() -> SearchSpace:
    """Return the space whose searches are fuzzed."""
    return load_search_space("autofem-cpm", {"nodes": 4})


def arch_parameters(seed: int = 0) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Return alphas and betas of the space."""
    generator = np.random.default_rng(seed)
    space = fuzzed_space()
    alphas = {
        name: generator.normal(size=(len(cell.edges), len(space.operations))).astype(np.float32)
        for name, cell in space.cells.items()
    }
    betas = {name: values[:, 0].copy() for name, values in alphas.items()}
    return alphas, betas if space.edge_normalisation else {}


def one_genotype() -> Genotype:
    """Return a genotype of the space."""
    alphas, betas = arch_parameters()
    return derive(fuzzed_space(), alphas, betas or None, name="cpm")


def spaces() -> Samples:
    """Return files of search spaces."""
    folder = Path(__file__).parents[2] / "search_spaces"
    return [(folder / f"{name}.yaml").read_bytes() for name in ("darts", "pc-darts", "autofem-cpm")]


def read_space(path: Path) -> object:
    """Read a search space, and all that it offers."""
    space = load_search_space(path)
    return space.digest, [space.candidates(name) for name in space.cells]


def genotypes() -> Samples:
    """Return files of genotypes."""
    few = one_genotype()
    one = Genotype(1, "one", few.space, {"cpm_c2": few.cells["cpm_c2"]}, few.provenance)
    return [to_yaml(load_genotype("darts_v1")).encode(), to_yaml(one).encode()]


def read_genotype(path: Path) -> None:
    """Read a genotype, which is written as it was."""
    genotype = load_genotype(path)
    assert parse_genotype(to_yaml(genotype), "again") == genotype


@cache
def bench_space() -> SearchSpace:
    """Return a space whose cell is that of NAS-Bench-201."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bench.yaml"
        path.write_text(
            "{format: 1, name: bench, operations: [none, skip, conv_1x1, dense_3x3], cells: {cell: "
            "{inputs: [{name: x, level: 0}], dense: {nodes: 3, keep: all}, "
            "output: {rule: cat-leaf, projection: none}}}}"
        )
        return load_search_space(path)


def read_genotype_text_file(path: Path) -> None:
    """Read genotypes as text; what can be written again is the same."""
    text = read_text(path, SpecError, "genotype text")
    found = read_genotype_text(text, str(path), bench_space())
    for genotype in found.genotypes.values():
        assert parse_genotype(to_yaml(genotype), "again") == genotype
        try:
            written = write_darts_text(genotype)
        except SpecError:  # nodes of one edge, say
            continue
        again, _ = read_genotype_text(written, "again").choose()
        assert again.cells == genotype.cells
    found.choose()


def genotype_texts() -> Samples:
    """Return genotypes as the text of several repositories."""
    one, two = (write_darts_text(load_genotype(name)) for name in ("darts_v2", "pc_darts_cifar"))
    grouped = "[[('skip_connect', 0, 0.5), ('skip_connect', np.int64(1), .1)]]"
    edges = "[('skip_connect', 2, 0), ('sep_conv_3x3', 2, 1), ('skip_connect', 3, 2)]"
    cell = "|nor_conv_3x3~0|+|skip_connect~0|nor_conv_1x1~1|+|skip_connect~0|skip_connect~1|{}~2|"
    nni = {"op_2_0": "sep_conv_3x3", "input_2_0": [0], "op_2_1": "skip_connect", "input_2_1": [1]}
    first = {"n2_p0": "maxpool", "n2_p1": 3, "n2_switch": ["normal_n2_p0", "normal_n2_p1"]}
    texts = [
        f"NAME = {one}\n",
        f"A = B = {two}  # best\nC = {{'x': {one}, 'y': [{two}, {one}]}}\nD = A\n",
        f"10:00 genotype = {one}\n10:05 genotype = {two}\n",
        f"X = Genotype (\n  normal={grouped},  # node 2\n  normal_concat=list(range(2, 3)), "
        f"reduce={edges}, reduce_concat=(2, 3), layout='cell')\n",
        f"A = '{cell.format('skip_connect')}'\nB = '{cell.format('nor_conv_3x3')}'\n",
        json.dumps({f"{name}/{k}": v for name in ("normal", "reduce") for k, v in nni.items()}),
        json.dumps({f"{name}_{k}": v for name in ("normal", "reduce") for k, v in first.items()}),
    ]
    return [text.encode() for text in texts]
