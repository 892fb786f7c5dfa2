"""A cell of a genotype as the source of a class, its graph written out."""

import keyword
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from nasface.arch.genotype import CellGene, EdgeGene, NodeGene
from nasface.nn.operations import DENSE_FORMS

WIDTH = 100

#: operation -> (function, its arguments after the channels)
OPERATION_CALLS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "conv_1x1": ("pointwise", ""),
        "sep_3x3": ("separable", "3"),
        "sep_5x5": ("separable", "5"),
        "sep_7x7": ("separable", "7"),
        "dil_3x3_r2": ("separable", "3, dilation=2"),
        "dil_3x3_r3": ("separable", "3, dilation=3"),
        "dil_5x5_r2": ("separable", "5, dilation=2"),
        "conv_1x3_3x1": ("cross", "3"),
        "conv_1x5_5x1": ("cross", "5"),
        "dense_3x3": ("dense", "3"),
        "dense_1x7_7x1": ("dense_cross", ""),
    }
)

#: names that mean something else where a cell computes
_RESERVED = frozenset({"self", "share", "torch", "nn", "upsample", "downsample"})


@dataclass
class CellSource:
    """A class, and where the weights of the built cell go: names (a prefix each) old -> new."""

    name: str
    gene: CellGene
    channels: int
    bottleneck: int | None = None
    init: list[str] = field(default_factory=list)
    forward: list[str] = field(default_factory=list)
    weights: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._attributes: set[str] = set()
        self._taken = set(_RESERVED)
        self._edges = 0
        self._inner = self.bottleneck or self.channels
        self._given = {each.name: self._local(each.name) for each in self.gene.inputs}
        self._values = dict(self._given)
        if self.bottleneck:
            for each in self.gene.inputs:
                self._entry(each.name)
        for node in self.gene.nodes:
            self._node(node)
        self._outputs()

    def source(self) -> str:
        """The text of the class."""
        levels_in = _levels(each.level for each in self.gene.inputs)
        levels_out = _levels(each.level for each in self.gene.outputs)
        arguments = [f"{self._given[each.name]}: Tensor" for each in self.gene.inputs]
        gives = "Tensor" if len(self.gene.outputs) == 1 else "tuple[Tensor, ...]"
        head = fit("    def forward(", ["self", *arguments], f") -> {gives}:")
        return "\n".join(
            [
                f"class {self.name}(nn.Module):",
                f'    """Maps of {levels_in} -> maps of {levels_out}, {self.channels} channels."""',
                "",
                "    def __init__(self) -> None:",
                "        super().__init__()",
                *(f"        {line}" for line in self.init),
                "",
                *head,
                *(f"        {line}" for line in self.forward),
            ]
        )

    def _entry(self, name: str) -> None:
        at, value = self._attribute(f"{name}_entry"), self._local(f"narrow_{name}")
        layers = [
            "nn.ReLU()",
            f"nn.Conv2d({self.channels}, {self._inner}, 1, bias=False)",
            f"nn.BatchNorm2d({self._inner})",
        ]
        self.init += fit(f"self.{at} = nn.Sequential(", layers, ")", 8)
        self.weights[f"entries.{name}"] = at
        self.forward.append(f"{value} = self.{at}({self._given[name]})")
        self._values[name] = value

    def _node(self, node: NodeGene) -> None:
        several = len(node.edges) > 1
        terms = [
            self._term(edge, node, f"{node.name}_{edge.source}" if several else node.name)
            for edge in node.edges
        ]
        value = self._values[node.name] = self._local(node.name)
        if node.combine == "concat":
            at = self._attribute(f"{node.name}_merge")
            wide = self._inner * len(terms)
            self.init.append(f"self.{at} = nn.Conv2d({wide}, {self._inner}, 1, bias=False)")
            self.weights[f"merges.{node.name}"] = at
            self.forward.append(f"{value} = self.{at}(torch.cat([{', '.join(terms)}], 1))")
            return
        if node.combine == "weighted_sum":
            at = self._attribute(f"{node.name}_shares")
            self.init.append(f"self.{at} = nn.Parameter(torch.zeros({len(terms)}))")
            self.weights[f"scales.{node.name}"] = at
            self.forward.append(f"share = self.{at}.softmax(0)")
            terms = [f"share[{number}] * {term}" for number, term in enumerate(terms)]
        sign = " * " if node.combine == "product" else " + "
        self.forward += wrapped(f"{value} = ", terms, sign)

    def _term(self, edge: EdgeGene, node: NodeGene, wanted: str) -> str:
        """What an edge carries, as an expression."""
        x = self._values[edge.source]
        if edge.transform == "up2":
            same = [each.name for each in self.gene.inputs if each.level == node.level]
            like = f", like={self._given[same[-1]]}" if same else ""
            x = f"upsample({x}{like})"
        elif edge.transform == "down2":
            x = f"downsample({x})"
        stride = 2 if edge.transform == "stride" else 1
        number, self._edges = self._edges, self._edges + 1
        if edge.operation == "skip" and stride == 1:
            return x
        at = self._attribute(wanted)
        self.init += self._operation(at, edge.operation, stride)
        self.weights[f"edges.{number}"] = at
        return f"self.{at}({x})"

    def _operation(self, at: str, name: str, stride: int) -> list[str]:
        channels = self._inner
        strided = "" if stride == 1 else f", stride={stride}"
        if name == "skip":
            return [
                f"self.{at} = nn.Sequential(nn.ReLU(), "
                f"FactorizedReduce({channels}, {channels}, affine=True))"
            ]
        if name == "max_pool_3x3":
            return [f"self.{at} = nn.MaxPool2d(3, {stride}, 1)"]
        if name == "avg_pool_3x3":
            return [f"self.{at} = nn.AvgPool2d(3, {stride}, 1, count_include_pad=False)"]
        single = name.removesuffix("_twice")
        function, arguments = OPERATION_CALLS[single]
        if self.bottleneck and name in DENSE_FORMS:
            function = "dense"
        words = ", ".join(each for each in (str(channels), arguments) if each)
        call = f"{function}({words}{strided})"
        if name == single:
            return [f"self.{at} = {call}"]
        return fit(f"self.{at} = nn.Sequential(", [call, f"{function}({words})"], ")", 8)

    def _outputs(self) -> None:
        given: dict[int, str] = {}
        for output in self.gene.outputs:
            values = [self._values[name] for name in output.sources]
            wide = self._inner * len(values)
            value = values[0] if len(values) == 1 else f"torch.cat([{', '.join(values)}], 1)"
            if self.gene.projection != "none":
                at = self._attribute(f"project{output.level}")
                old = f"projections.{output.level}"
                if self.gene.projection == "conv":
                    made = f"nn.Conv2d({wide}, {self.channels}, 1, bias=False)"
                    self.weights[f"{old}.0"] = at
                else:
                    made = f"conv_norm_relu({wide}, {self.channels})"
                    self.weights[old] = at
                self.init.append(f"self.{at} = {made}")
                value = f"self.{at}({value})"
            if self.gene.residual:
                of_level = (i.name for i in self.gene.inputs if i.level == output.level)
                value = f"{value} + {self._given[next(of_level)]}"
            given[output.level] = value
        values = list(given.values())
        if len(values) == 1:
            self.forward.append(f"return {values[0]}")
        else:
            self.forward += fit("return (", values, ")", 8, bare=True)

    def _attribute(self, wanted: str) -> str:
        name = unlike(wanted, self._attributes)
        self._attributes.add(name)
        return name

    def _local(self, wanted: str) -> str:
        name = unlike(wanted, self._taken)
        self._taken.add(name)
        return name


def fit(
    start: str, items: Sequence[str], end: str, indent: int = 0, *, bare: bool = False
) -> list[str]:
    """Items between brackets: on one line if they fit behind ``indent``, else one on each.

    ``bare`` leaves the brackets out of the single line.
    """
    line = f"{start}{', '.join(items)}{end}"
    if bare:
        line = f"{start[:-1]}{', '.join(items)}"
    if indent + len(line) <= WIDTH:
        return [line]
    margin = " " * (len(start) - len(start.lstrip()))
    inner = f"{margin}    {', '.join(items)}"
    if not bare and indent + len(inner) <= WIDTH and "=" not in start:
        return [start, inner, f"{margin}{end}"]
    return [start, *(f"{margin}    {item}," for item in items), f"{margin}{end}"]


def wrapped(start: str, terms: Sequence[str], sign: str) -> list[str]:
    """Terms of a sum or product; in brackets, one on each line, where they do not fit."""
    line = start + sign.join(terms)
    if 8 + len(line) <= WIDTH:
        return [line]
    first, *others = terms
    return [f"{start}(", f"    {first}", *(f"    {sign.strip()} {each}" for each in others), ")"]


def unlike(wanted: str, taken: Iterable[str]) -> str:
    """``wanted``, with a number behind it if it is taken or a word of the language."""
    there, name, number = set(taken), wanted, 2
    while name in there or keyword.iskeyword(name):
        name, number = f"{wanted}_{number}", number + 1
    return name


def _levels(levels: Iterable[int]) -> str:
    numbers = sorted(set(levels))
    if len(numbers) == 1:
        return f"level {numbers[0]}"
    if numbers == list(range(numbers[0], numbers[-1] + 1)):
        return f"levels {numbers[0]} to {numbers[-1]}"
    return f"levels {', '.join(map(str, numbers))}"
