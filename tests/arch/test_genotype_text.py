"""Genotypes in files of other tools: which there are, under which names, and what they hold."""

from collections.abc import Callable
from typing import Any

import pytest

from nasface.arch.darts_format import write_darts_text
from nasface.arch.genotype_text import GenotypeText, read_genotype_text
from nasface.arch.io import load_genotype
from nasface.errors import SpecError


def entry(operation: str = "sep_conv_3x3", source: int = 0) -> str:
    """A genotype of one node per cell."""
    return (
        f"Genotype(normal=[('{operation}', {source}), ('skip_connect', 1)], normal_concat=[2], "
        "reduce=[('max_pool_3x3', 0), ('max_pool_3x3', 1)], reduce_concat=[2])"
    )


A, B = entry(), entry("sep_conv_5x5")


def first_operations(found: GenotypeText) -> dict[str, str]:
    """Name -> the first operation of the normal cell."""
    return {
        name: genotype.cells["normal"].nodes[0].edges[0].operation
        for name, genotype in found.genotypes.items()
    }


# Which there are, and their names


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (f"A = {A}\nB = {B}", "A B"),
        (f"B = C = {A}", "B C"),
        (f"FOUND = {{'A': {A}, 'B': {B}}}", "FOUND.A FOUND.B"),
        (f"FOUND = {{1: {A}, 2.5: {B}, None: {B}}}", "FOUND.1 FOUND.2.5 FOUND.None"),
        (f"FOUND = [\n  {A},\n  {B},\n]", "FOUND.0 FOUND.1"),
        (f"FOUND = {A}, {B}", "FOUND.0 FOUND.1"),
        (f"FOUND = [{A}]", "FOUND"),
        (f"FOUND = dict(a={A}, b={B})", "FOUND.a FOUND.b"),
        (f"FOUND = {{'x': {{'y': {A}}}, 'z': [{A}, {B}]}}", "FOUND.x.y FOUND.z.0 FOUND.z.1"),
        (f"A, B = {A}, {B}", "A B"),
        (f"A: object = {A}\nB = {{}}\nB['k'] = B.m = {B}", "A B.k B.m"),
        (f"class Found:\n    A = {A}\n    def b(self):\n        return {B}", "Found.A Found.b"),
        (f"show({A})\nshow(name={B})", "genotype name"),
        (f"ALL = sorted({A}, {B})", "ALL.0 ALL.1"),
        (f"A = {A}\nDARTS = A\nB = [DARTS, A]", "A DARTS"),
        (f"A = gt.Genotype{A.removeprefix('Genotype')}", "A"),
        (f'A = "{A}"\nB = (\n    "{B[:50]}"\n    "{B[50:]}"\n)', "A B"),
        (f'CONFIG = {{"arch": "x = {A}"}}', "x"),
        (f'{{"arch": {{"best": "{A}"}}, "seed": null}}', "arch.best"),
        (f"# OLD = {B}\nA = {A}\n'''\nB = {B}\n'''", "A"),
        (f"# OLD = {B}\nprint 'python 2'\nA = {A}", "A"),
        (f"print 'python 2'\n# OLD = {B}", "OLD"),
        (f'"""\nA = {A}\n"""', "A"),
        (f"10:00 genotype = {A}\n10:05 best: {B}", "genotype"),
        (f"10:00 A = {A}, B = C = {B}!", "A B C"),
        (f"10:00 [{A}, {B}]", "genotype.0 genotype.1"),
        (f"10:00 {{'a': {A}, 'b': {B}}}", "a b"),
        (f"if (A = {A}", "A"),
        (f"Genotype (best of 3): {A}", "genotype"),
    ],
)
def test_names(text: str, names: str) -> None:
    assert " ".join(read_genotype_text(text, "t").genotypes) == names


@pytest.mark.parametrize(
    "text",
    ["", "normal = 3", "Genotype = namedtuple('Genotype', 'normal normal_concat')", "Genotype("],
)
def test_a_text_without_genotype(text: str) -> None:
    with pytest.raises(SpecError, match=r"t: holds no genotype; expected Genotype\(normal"):
        read_genotype_text(text, "t")


def test_the_lines_of_entries() -> None:
    text = f"#\n\nA = {A}\nB = [\n  {A},\n {B}]\nC = '''\n\n{A}'''\n"
    for extra in ("", "print 'no python'\n"):
        found = read_genotype_text(text + extra, "t")
        assert [each.line for each in found.entries] == [3, 5, 6, 9]


def test_a_name_assigned_twice_is_the_last() -> None:
    found = read_genotype_text(f"A = {A}\nB = A\nA = {B}", "t")
    assert first_operations(found) == {"A": "sep_5x5_twice", "B": "sep_3x3_twice"}


# One of them


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (f"A = {A}\nB = {B}", "A, B"),
        (f"B = C = {A}\nD = {B}", "B, C, D"),
        (f"FOUND = {{'A': {A}, 'B': {B}}}", "FOUND.A, FOUND.B"),
        (f"FOUND = [{A}, {B}]", "FOUND.0, FOUND.1"),
        (f"10:00 A = {A} B = {B}", "A, B"),
        (f"10:00 [{A}, {B}]", "genotype.0, genotype.1"),
    ],
)
def test_a_choice_is_asked_for(text: str, names: str) -> None:
    with pytest.raises(SpecError, match=f"t: holds {names}; choose one with --name"):
        read_genotype_text(text, "t").choose()


@pytest.mark.parametrize("text", [A, f"B = C = {A}", f"A = {A}\nDARTS = A", f"X = [{A}, {A}]"])
def test_no_choice_where_all_are_the_same(text: str) -> None:
    genotype, notes = read_genotype_text(text, "t").choose()
    assert write_darts_text(genotype) == A.replace("[2]", "range(2, 3)")
    assert notes == []


def test_a_choice_by_name() -> None:
    found = read_genotype_text(f"X = {{'a': {A}, 'b': {B}}}\nY = {{'b': {A}}}", "t")
    for name, operation in {"X.b": "5x5", "a": "3x3", "Y.b": "3x3"}.items():
        genotype, _ = found.choose(name)
        assert genotype.cells["normal"].nodes[0].edges[0].operation == f"sep_{operation}_twice"
    with pytest.raises(SpecError, match=r"t: 'b' may be X\.b, Y\.b; give one in full"):
        found.choose("b")
    with pytest.raises(SpecError, match=r"t: holds no 'c'; expected one of X\.a, X\.b, Y\.b"):
        found.choose("c")


def test_the_last_of_a_log() -> None:
    log = f"1 genotype = {A}\n2 genotype = {B}\n"
    genotype, notes = read_genotype_text(log, "t").choose()
    assert genotype.cells["normal"].nodes[0].edges[0].operation == "sep_5x5_twice"
    assert notes == ["2 genotypes are named genotype; took the last, of line 2"]
    genotype, notes = read_genotype_text(log + f"3 genotype = {A[:60]}", "t").choose()
    assert genotype.cells["normal"].nodes[0].edges[0].operation == "sep_5x5_twice"
    assert notes[1] == ("left out genotype, line 3: Genotype(...) is not complete or not readable")


@pytest.mark.parametrize(
    "bad", [entry("conv_9x9"), entry(source=7), A[:-30], A.replace("1)", "x)")]
)
@pytest.mark.parametrize("first", [True, False])
def test_an_entry_that_cannot_be_read_costs_no_other(bad: str, first: bool) -> None:
    lines = [f"BAD = {bad}", f"GOOD = {A}"]
    found = read_genotype_text("\n".join(lines if first else lines[::-1]), "t")
    assert first_operations(found) == {"GOOD": "sep_3x3_twice"}
    for name in ("", "GOOD"):
        _, notes = found.choose(name)
        assert len(notes) == 1
        assert notes[0].startswith(f"left out BAD, line {1 if first else 2}: ")
    with pytest.raises(SpecError, match=rf"t: line {1 if first else 2}: "):
        found.choose("BAD")


def test_a_choice_names_what_cannot_be_read() -> None:
    text = f"A = {A}\nBAD = {entry('conv_9x9')}\nB = {B}\nC = {A[:-30]}"
    with pytest.raises(
        SpecError,
        match=r"t: holds A, B; choose one with --name; "
        r"cannot be read: BAD \(line 2\), C \(line 4\)\Z",
    ):
        read_genotype_text(text, "t").choose()


def test_many_that_cannot_be_read() -> None:
    text = "".join(f"A{at} = {entry('conv_9x9')}\n" for at in range(30))
    _, notes = read_genotype_text(f"{text}A = {A}", "t").choose()
    assert notes[-1] == "left out 10 more"
    with pytest.raises(SpecError, match=r"holds no 'x'; expected one of A0, .*A19 and 10 more"):
        read_genotype_text(text, "t").choose("x")
    with pytest.raises(SpecError, match="t: holds 2100 genotypes, expected at most 2000"):
        read_genotype_text(text * 70, "t")


# Forms


@pytest.mark.parametrize(
    "change",
    [
        ("Genotype(", "Genotype ("),
        ("Genotype(", "Genotype( # cell )\n"),
        ("normal=[", "normal=[  # node 2, of ( two\n "),
        ("), (", "),\n  # the second\n  ("),
        ("normal_concat=[2]", "normal_concat=range(2, 3)"),
        ("normal_concat=[2]", "normal_concat=list(range(2, 3))"),
        ("normal_concat=[2]", "normal_concat=tuple(range(2, 5, 3))"),
        ("normal_concat=[2]", "normal_concat=(2,)"),
        ("normal_concat=[2]", "normal_concat=[np.int64(2)]"),
        ("normal_concat=[2]", "normal_concat=array([2])"),
        ("normal_concat=[2]", "normal_concat=np.array([2])"),
        ("normal_concat=[2]", "normal_concat=torch.tensor([2])"),
        ("normal_concat=[2]", "normal_concat=np.arange(2, 3)"),
        ("0)", "np.int64(0))"),
        ("0)", "int32(0))"),
        ("'sep_conv_3x3'", "np.str_('sep_conv_3x3')"),
        ("'sep_conv_3x3'", '"sep_conv_3x3"'),
    ],
)
def test_other_ways_to_write_the_same(change: tuple[str, str]) -> None:
    expected = read_genotype_text(A, "t").choose()
    for text in (A.replace(*change), f"12:00 genotype = {A.replace(*change)} done"):
        assert read_genotype_text(text, "t").choose() == expected


def test_a_map_in_the_place_of_a_call() -> None:
    expected, _ = read_genotype_text(A, "t").choose()
    fields = A[len("Genotype(") : -1]
    quoted = ", ".join(f"'{part}" for part in fields.replace("=", "': ").split(", ", 0))
    for name in ("normal_concat", "reduce_concat", "reduce"):
        quoted = quoted.replace(f" {name}'", f" '{name}'")
    for text in (f"dict({fields})", f"{{{quoted}}}", f"best: {{{quoted}}}"):
        assert read_genotype_text(text, "t").choose()[0].cells == expected.cells


def test_a_map_in_yaml() -> None:
    expected, _ = read_genotype_text(A, "t").choose()
    cell = "{0}:\n- [sep_conv_3x3, 0]\n- [skip_connect, 1]\n{0}_concat: [2]\n"
    text = f"# the best\n{cell.format('normal')}{cell.format('reduce')}"
    inside = "runs:\n  best:\n" + "".join(f"    {line}\n" for line in text.splitlines())
    as_json = "[('sep_conv_3x3', 0), ('skip_connect', 1)]"
    call = f"Genotype(normal={as_json}, normal_concat=[2], reduce={as_json}, reduce_concat=[2])"
    same, _ = read_genotype_text(call, "t").choose()
    for each in (text, inside, text.replace("\n", "\r\n").encode().decode()):
        assert read_genotype_text(each, "t").choose()[0].cells == same.cells
    assert list(read_genotype_text(inside, "t").genotypes) == ["runs.best"]
    assert expected.cells.keys() == same.cells.keys()


@pytest.mark.parametrize("fields", ["layout='cell', x=f(3)", "connectN=None, connects=[(0, 1)]"])
def test_more_fields_are_ignored_with_a_note(fields: str) -> None:
    genotype, notes = read_genotype_text(f"{A[:-1]}, {fields})", "t").choose()
    assert genotype.cells == load_text(A).cells
    names = ", ".join(part.split("=")[0] for part in fields.split(", ") if "=" in part)
    assert notes == [f"ignored the fields {names}"]


def test_values_behind_the_fields() -> None:
    short = A
    for name in ("normal_concat", "reduce_concat", "normal", "reduce"):
        short = short.replace(f"{name}=", "")
    genotype, notes = read_genotype_text(f"{short[:-1]}, 7)", "t").choose()
    assert genotype.cells == load_text(A).cells
    assert notes == ["ignored 1 values behind reduce_concat"]


def load_text(text: str) -> Any:
    return read_genotype_text(text, "t").choose()[0]


@pytest.mark.parametrize(
    "make",
    [
        lambda n: "Genotype(normal=" * n,
        lambda n: "Genotype(normal=[(((" * n,
        lambda n: "A = 1" + "+1" * n + f"\nB = {A}",
        lambda n: "A" + ".a" * n + f" = {A}",
        lambda n: f"B = {A[:-1]}, x=" + "-" * n + "1)",
        lambda n: f"B = {A[:-1]}, x=" + "(" * n + ")" * n + ")",
        lambda n: "Genotype(" + " #\n" * n,
        lambda n: "A = " * n + A,
        lambda n: "x A = " + " A = " * n + A,
    ],
)
def test_texts_made_to_take_long(make: Callable[[int], str]) -> None:
    """Each ends, whatever it says; a parser of greater than linear time would not in a test."""
    try:
        entries = read_genotype_text(make(20_000), "t").entries
    except SpecError:
        return
    assert entries


def test_packaged_genotypes_as_text() -> None:
    names = ("darts_v1", "darts_v2", "pc_darts_cifar", "pc_darts_image")
    text = "\n".join(f"{name} = {write_darts_text(load_genotype(name))}" for name in names)
    found = read_genotype_text(text, "t").genotypes
    assert {name: each.cells for name, each in found.items()} == {
        name: load_genotype(name).cells for name in names
    }
