"""Reading malformed files, and writing what reads back as the same."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from strategies import random_choices

from nasface.arch.genotype import Provenance
from nasface.arch.io import (
    as_genotype,
    load_genotype,
    load_search_space,
    packaged_names,
    parse_genotype,
    save_genotype,
)
from nasface.arch.space import SearchSpace
from nasface.errors import ConfigError, NasfaceError, SpecError
from nasface.io.settings import load_config
from nasface.io.yaml import config_digest, to_yaml
from nasface.nas.derive import derive

SPACE = """\
format: 1
name: small
description: words
operations: [none, skip, sep_3x3]
parameters:
  nodes: {default: 2, choices: [1, 2]}
cells:
  c:
    inputs: [{name: x, level: 2}]
    nodes:
      - {name: a, level: 2, edges: [{source: x}]}
      - name: b
        level: 3
        keep: 1
        edges: [{source: a, transform: stride}, {source: x, transform: down2}]
    output: {rule: cat-all}
  d:
    inputs: [{name: x, level: 2}]
    dense: {nodes: $nodes}
    output: {rule: cat-leaf}
"""

GENOTYPE = """\
format: 1
name: mine
space: {name: small, digest: 0123456789ab, parameters: {}}
cells:
  c:
    inputs: [{name: x, level: 2}]
    nodes:
      - {name: a, level: 2, combine: sum, edges: [{source: x, operation: sep_3x3}]}
      - {name: b, level: 2, combine: sum, edges: [{source: a, operation: skip}]}
    outputs: [{level: 2, sources: [b]}]
    projection: conv
    residual: false
provenance: {note: by hand}
"""


def changed(text: str, old: str, new: str) -> str:
    assert text.count(old) >= 1
    return text.replace(old, new, 1)


def message_of(caught: pytest.ExceptionInfo[NasfaceError]) -> str:
    message = str(caught.value)
    assert message
    assert "\n" not in message
    return message


# old text, new text, and words that the message must hold: the place, then what is wrong with it
MALFORMED_SPACES = {
    "unknown key": ("name: small", "name: small\ncolour: red", ["colour"]),
    "unknown key of an edge": ("{source: x}", "{source: x, ops: [skip]}", ["nodes.0.edges.0.ops"]),
    "missing key": ("name: small\n", "", ["name: is missing"]),
    "unknown operation": ("sep_3x3]", "sep_9x9]", ["operations.2", "'sep_9x9'", "sep_3x3"]),
    "a cycle": ("[{source: x}]", "[{source: b, transform: up2}]", ["cells.c.nodes.0", "'b'", "x"]),
    "a node drawing on itself": ("{source: x}", "{source: a}", ["cells.c.nodes.0", "'a'"]),
    "unknown source": ("{source: x}", "{source: z}", ["cells.c.nodes.0.edges.0.source", "'z'"]),
    "wrong level": ("name: a, level: 2", "name: a, level: 3", ["cells.c.nodes.0", "transform"]),
    "wrong transform": ("stride}", "up2}", ["cells.c.nodes.1", "edges.0.transform", "'up2'"]),
    "unknown transform": ("stride}", "down4}", ["edges.0.transform", "'down2'", "'down4'"]),
    "unknown combine": (
        "keep: 1",
        "combine: mean",
        ["nodes.1 (b).combine: unknown", "'mean'", "product"],
    ),
    "keep too large": ("keep: 1", "keep: 3", ["cells.c.nodes.1", "keep: 3", "1 to 2"]),
    "keep zero": ("keep: 1", "keep: 0", ["cells.c.nodes.1", "keep: 0", "1 to 2"]),
    "keep a word": ("keep: 1", "keep: most", ["nodes.1.keep", "'all'"]),
    "text for a number": ("level: 3", 'level: "3"', ["nodes.1.level", "integer", "'3'"]),
    "a fraction": ("level: 3", "level: 3.5", ["nodes.1.level", "integer"]),
    "a truth value": ("level: 3", "level: true", ["nodes.1.level", "integer"]),
    "a number for text": ("name: small", "name: 3", ["name", "string", "3"]),
    "text for a list": ("operations: [none, skip, sep_3x3]", "operations: skip", ["operations"]),
    "a date": ("name: small", "name: 2020-01-01", ["date"]),
    "duplicate key": ("name: small", "name: small\nname: other", ["'name'", "twice", "line 3"]),
    "duplicate key inside": ("keep: 1", "keep: 1\n        keep: 2", ["'keep'", "twice", "line 15"]),
    "a list as key": ("name: small", "name: small\n[1, 2]: 3", ["key", "line 3"]),
    "an alias": (
        "name: small\ndescription: words",
        "name: &n small\ndescription: *n",
        ["aliases", "line 3"],
    ),
    "a tag": (
        "name: small",
        "name: !!python/object:os.system {}",
        ["tag", "python/object", "line 2"],
    ),
    "not YAML": ("format: 1", "format: [1", ["not valid YAML", "line"]),
    "a control character": ("words", "wo\x00rds", ["not valid YAML"]),
    "unknown format": ("format: 1", "format: 2", ["format", "1", "2"]),
    "undeclared parameter": ("$nodes", "$knots", ["'$knots'", "nodes"]),
    "parameter default not offered": (
        "default: 2",
        "default: 3",
        ["parameters.nodes", "3", "[1, 2]"],
    ),
    "parameter without default": ("default: 2, ", "", ["parameters.nodes"]),
    "parameters not a map": ("{default: 2, choices: [1, 2]}", "2", ["parameters.nodes"]),
}


@pytest.mark.parametrize("case", MALFORMED_SPACES)
def test_a_malformed_space_gives_one_line_with_file_and_place(case: str, tmp_path: Path) -> None:
    old, new, words = MALFORMED_SPACES[case]
    path = tmp_path / "space.yaml"
    path.write_text(changed(SPACE, old, new))
    with pytest.raises(SpecError) as caught:
        load_search_space(path)
    message = message_of(caught)
    assert message.startswith(f"{path}: ")
    for word in words:
        assert word in message


def test_the_space_that_was_malformed_above_is_fine_itself(tmp_path: Path) -> None:
    path = tmp_path / "space.yaml"
    path.write_text(SPACE)
    assert [len(cell.nodes) for cell in load_search_space(path).cells.values()] == [2, 2]
    assert len(load_search_space(str(path), {"nodes": 1}).cells["d"].nodes) == 1


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"knots": 3}, ["'knots'", "nodes"]),
        ({"nodes": 3}, ["parameters.nodes", "3", "[1, 2]"]),
    ],
)
def test_an_unknown_parameter_is_named(
    parameters: dict[str, int], words: list[str], tmp_path: Path
) -> None:
    path = tmp_path / "space.yaml"
    path.write_text(SPACE)
    with pytest.raises(SpecError) as caught:
        load_search_space(path, parameters)
    assert all(word in message_of(caught) for word in [str(path), *words])


def test_a_parameter_that_a_space_does_not_declare_names_the_nearest(tmp_path: Path) -> None:
    path = tmp_path / "space.yaml"
    path.write_text(SPACE.replace("$nodes", "$nodse"))
    with pytest.raises(SpecError, match=r"'\$nodse' names no parameter; .*did you mean 'nodes'\?$"):
        load_search_space(path)


def test_a_packaged_space_without_parameters_says_so() -> None:
    with pytest.raises(
        SpecError, match=r"autofem-fpn.yaml: unknown parameter 'nodes'.*no parameters"
    ):
        load_search_space("autofem-fpn", {"nodes": 4})


@pytest.mark.parametrize("content", [b"", b"# nothing but a remark\n", b"[]", b"just words", b"3"])
@pytest.mark.parametrize("load", [load_search_space, load_genotype])
def test_a_file_that_is_no_map(content: bytes, load: object, tmp_path: Path) -> None:
    path = tmp_path / "file.yaml"
    path.write_bytes(content)
    with pytest.raises(SpecError, match="expected a map") as caught:
        load_search_space(path) if load is load_search_space else load_genotype(path)
    assert message_of(caught).startswith(f"{path}: ")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"name: \xff\xfe\x00")
    with pytest.raises(SpecError, match=r"binary\.yaml:1: is not UTF-8 text") as caught:
        load_search_space(binary)
    assert message_of(caught).startswith(f"{binary}:1: ")
    for missing in (tmp_path / "missing.yaml", tmp_path / "missing.yml"):
        with pytest.raises(SpecError, match="cannot read genotype: No such file") as caught:
            load_genotype(missing)
        assert message_of(caught).startswith(f"{missing}: ")
    folder = tmp_path / "folder.yaml"
    folder.mkdir()
    with pytest.raises(SpecError, match="cannot read search space"):
        load_search_space(folder)
    with pytest.raises(SpecError, match=r"'autofen'.*expected a YAML file or one of autofem, "):
        load_search_space("autofen")


MALFORMED_GENOTYPES = {
    "none": ("operation: skip", "operation: none", ["cells.c", "nodes.1 (b)", "none"]),
    "unknown operation": ("operation: skip", "operation: jump", ["cells.c", "nodes.1", "'jump'"]),
    "outputs at another level": (
        "[{level: 2, sources",
        "[{level: 3, sources",
        ["cells.c", "outputs"],
    ),
    "outputs of no node": ("sources: [b]", "sources: [x]", ["cells.c", "outputs.0", "a, b"]),
    "outputs twice": ("sources: [b]", "sources: [b, b]", ["cells.c", "outputs.0"]),
    "unknown format": ("format: 1", "format: 2", ["format", "2"]),
    "unknown source": ("source: a", "source: q", ["cells.c", "nodes.1.edges.0", "'q'"]),
    "no cells": ("note: by hand}", "note: by hand}\nx: 1", ["x"]),
    "unknown key": ("residual: false", "residual: false\n    skip: 1", ["cells.c.skip"]),
    "digest a number": ("0123456789ab", "123", ["space.digest", "string"]),
}


@pytest.mark.parametrize("case", MALFORMED_GENOTYPES)
def test_a_malformed_genotype_gives_one_line_with_file_and_place(case: str, tmp_path: Path) -> None:
    old, new, words = MALFORMED_GENOTYPES[case]
    path = tmp_path / "genotype.yaml"
    path.write_text(changed(GENOTYPE, old, new))
    with pytest.raises(SpecError) as caught:
        load_genotype(path)
    message = message_of(caught)
    assert message.startswith(f"{path}: ")
    for word in words:
        assert word in message


def test_a_genotype_is_written_canonically(tmp_path: Path) -> None:
    genotype = parse_genotype(GENOTYPE, "text")
    path = tmp_path / "genotype.yaml"
    save_genotype(genotype, path)
    first = path.read_bytes()
    assert load_genotype(path) == genotype
    save_genotype(load_genotype(path), path)
    assert path.read_bytes() == first
    assert [each.name for each in tmp_path.iterdir()] == ["genotype.yaml"]


@pytest.mark.parametrize("text", ["no", "1", "", "ä: {x}", "two\nlines", "*a", "\u2028", "#x"])
def test_text_that_yaml_could_take_for_something_else_survives(text: str) -> None:
    genotype = replace(parse_genotype(GENOTYPE, "text"), provenance=Provenance(note=text, seed=0))
    assert parse_genotype(to_yaml(genotype), "text") == genotype
    if text and text.isprintable():
        named = replace(genotype, name=text)
        assert parse_genotype(to_yaml(named), "text") == named
    else:
        with pytest.raises(SpecError, match=r"name: .* cannot be shown"):
            replace(genotype, name=text)


@pytest.mark.parametrize("name", ["autofem", "autofem-cpm", "autofem-fpn"])
def test_a_derived_genotype_of_a_packaged_space_round_trips(name: str) -> None:
    space: SearchSpace = load_search_space(name)
    genotype = derive(space, *random_choices(space, 3, ties=False))
    text = to_yaml(genotype)
    assert parse_genotype(text, "text") == genotype
    assert to_yaml(parse_genotype(text, "text")) == text
    assert max(map(len, text.splitlines())) <= 110


@dataclass(frozen=True)
class Inner:
    rate: float = 0.5


@dataclass(frozen=True)
class Settings:
    steps: int = 10
    inner: Inner = Inner()
    names: tuple[str, ...] = ()


def test_settings_keep_their_defaults(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("")
    assert load_config(Settings, path) == Settings()
    path.write_text("inner: {rate: 1}\nnames: [a]\n")
    assert load_config(Settings, path) == Settings(inner=Inner(1.0), names=("a",))
    path.write_text(to_yaml(Settings(steps=3)))
    assert load_config(Settings, path) == Settings(steps=3)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("step: 3", ["step: unknown key; expected one of steps, inner, names"]),
        ("inner: {speed: 3}", ["inner.speed: unknown key; expected one of rate"]),
        ("inner: {rate: .nan}", ["inner: rate: is nan, expected a finite number"]),
        ('steps: "3"', ["steps", "integer", "'3'"]),
        ("inner: {rate: fast}", ["inner.rate", "number", "'fast'"]),
        ("steps: 1\nsteps: 2", ["twice", "line 2"]),
        ("steps: !!python/name:os.system", ["tag"]),
        ("names: a", ["names"]),
        ("- 3", ["expected a map"]),
        ("a: 1\nb: 1\nc: 1\nd: 1\n", ["a: ", "and 1 more"]),
    ],
)
def test_bad_settings_name_file_and_key(text: str, words: list[str], tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_config(Settings, path)
    assert all(word in message_of(caught) for word in [f"{path}: ", *words])


def test_settings_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read config file"):
        load_config(Settings, tmp_path / "missing.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="UTF-8"):
        load_config(Settings, tmp_path / "binary.yaml")


def test_a_digest_changes_with_every_field() -> None:
    each = [
        Settings(),
        Settings(steps=11),
        Settings(inner=Inner(0.25)),
        Settings(names=("a",)),
        Settings(names=("a", "b")),
    ]
    assert len({config_digest(settings) for settings in each}) == len(each)
    assert config_digest(Settings()) == config_digest(Settings(steps=10))


@pytest.mark.parametrize("name", packaged_names("nasface.search_spaces"))
def test_a_saved_search_space_is_read_back_equal(name: str, tmp_path: Path) -> None:
    space = load_search_space(name)
    path = space.save(tmp_path / "space.yaml")
    again = load_search_space(path)
    assert again == space
    assert len({again, space}) == 1
    with pytest.raises(SpecError, match="exists; expected a new file"):
        again.save(path)
    again.save(path, overwrite=True)
    assert again.digest == space.digest


def test_what_is_neither_a_name_nor_a_file_is_refused() -> None:
    genotype, space = load_genotype("darts_v1"), load_search_space("darts")
    kinds: list[tuple[Any, Any, str]] = [
        (as_genotype, space, "genotype: is of type SearchSpace; expected a packaged name"),
        (load_genotype, None, "genotype: is of type NoneType"),
        (load_search_space, genotype, "search space: is of type Genotype; expected a packaged"),
    ]
    for load, given, message in kinds:
        with pytest.raises(SpecError, match=message):
            load(given)
    assert as_genotype(genotype) is genotype
    assert as_genotype("darts_v1") == genotype


def test_a_checkout_beside_an_installed_copy_knows_its_files(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Python finds the folder ``nasface`` there first, and in it neither spaces nor genotypes."""
    packages = ("nasface.search_spaces", "nasface.genotypes")
    names, space = [packaged_names(each) for each in packages], load_search_space("autofem")

    def files(package: str) -> None:
        raise ModuleNotFoundError(package)

    monkeypatch.setattr("nasface.arch.io.files", files)
    assert [packaged_names(each) for each in packages] == names
    assert load_search_space("autofem") == space


def test_the_candidates_of_a_space_are_given_instead_of_its_own() -> None:
    usual = load_search_space("autofem-fpn")
    space = load_search_space("autofem-fpn", operations=["max_pool_3x3", "sep_7x7"])
    for before, after in zip(usual.cells["fpn"].edges, space.cells["fpn"].edges, strict=True):
        is_fixed = before.operations == ("skip",)
        assert after.operations == (("skip",) if is_fixed else ("max_pool_3x3", "sep_7x7"))
    assert space.digest != usual.digest
    with pytest.raises(SpecError, match="unknown operation 'sep_9x9'"):
        load_search_space("autofem-fpn", operations=["sep_9x9"])
