"""A cell of a genotype as the source of a class, its graph written out."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from torch import nn

from nasface.arch.combine import COMBINE_RULES
from nasface.arch.genotype import EdgeGene, NodeGene
from nasface.deploy.python_source.extract import SourceCopier, unlike
from nasface.deploy.python_source.layout import fit, fit_terms
from nasface.nn import blocks
from nasface.nn.cell import FixedCell
from nasface.nn.keys import module_key
from nasface.nn.operations import builder_of


@dataclass
class CellSource:
    """A class, and where the weights of the built cell go: names (a prefix each) old -> new.

    What the class uses is copied by ``copier``.
    """

    name: str
    cell: FixedCell
    copier: SourceCopier
    init: list[str] = field(default_factory=list)
    forward: list[str] = field(default_factory=list)
    weights: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.gene, self.outer, self.inner = self.cell.gene, self.cell.outer, self.cell.channels
        self._attributes: set[str] = set()
        self._locals = {"self", "torch", "nn"}
        self._edges = 0
        self._given = {each.name: self._local(each.name) for each in self.gene.inputs}
        self._values = dict(self._given)
        for each in self.gene.inputs if self.cell.entries else ():
            self._entry(each.name)
        for node in self.gene.nodes:
            self._node(node)
        self._outputs()

    def source(self) -> str:
        """Return the text of the class."""
        levels_in = _levels(each.level for each in self.gene.inputs)
        levels_out = _levels(each.level for each in self.gene.outputs)
        arguments = [f"{self._given[each.name]}: Tensor" for each in self.gene.inputs]
        gives = "Tensor" if len(self.gene.outputs) == 1 else "tuple[Tensor, ...]"
        return "\n".join(
            [
                f"class {self.name}(nn.Module):",
                f'    """Maps of {levels_in} -> maps of {levels_out}, {self.outer} channels."""',
                "",
                "    def __init__(self) -> None:",
                "        super().__init__()",
                *(f"        {line}" for line in self.init),
                "",
                *fit("    def forward(", ["self", *arguments], f") -> {gives}:", 0),
                *(f"        {line}" for line in self.forward),
            ]
        )

    def _entry(self, name: str) -> None:
        at, value = self._attribute(f"{name}_entry"), self._local(f"narrow_{name}")
        layers = [
            "nn.ReLU()",
            f"nn.Conv2d({self.outer}, {self.inner}, 1, bias=False)",
            f"nn.BatchNorm2d({self.inner})",
        ]
        self.init += fit(f"self.{at} = nn.Sequential(", layers, ")")
        self.weights[f"entries.{module_key(name)}"] = at
        self.forward.append(f"{value} = self.{at}({self._given[name]})")
        self._values[name] = value

    def _node(self, node: NodeGene) -> None:
        several = len(node.edges) > 1
        terms = [
            self._term(edge, node, f"{node.name}_{edge.source}" if several else node.name)
            for edge in node.edges
        ]
        value = self._values[node.name] = self._local(node.name)
        rule = COMBINE_RULES[node.combine]
        if rule.sign:
            self.forward += fit_terms(f"{value} = ", terms, rule.sign)
            return
        at = self._attribute(f"{node.name}_combine")
        self.init.append(f"self.{at} = {self.copier.call(rule.build, self.inner, len(terms))}")
        self.weights[f"combine.{module_key(node.name)}"] = at
        self.forward += fit(f"{value} = self.{at}([", terms, "])")

    def _term(self, edge: EdgeGene, node: NodeGene, wanted: str) -> str:
        """Return an expression for what an edge carries."""
        x = self._values[edge.source]
        if edge.transform == "up2":
            same = [each.name for each in self.gene.inputs if each.level == node.level]
            like = f", {self._given[same[-1]]}.shape[-2:]" if same else ""
            x = f"{self.copier.copy(blocks.upsample)}({x}{like})"
        elif edge.transform == "down2":
            x = f"{self.copier.copy(blocks.downsample)}({x})"
        number, self._edges = self._edges, self._edges + 1
        if isinstance(self.cell.edges[number], nn.Identity):
            return x
        at, stride = self._attribute(wanted), 2 if edge.transform == "stride" else 1
        build = builder_of(edge.operation, dense=self.cell.bottleneck)
        self.init.append(f"self.{at} = {self.copier.call(build, self.inner, stride, True)}")
        self.weights[f"edges.{number}"] = at
        return f"self.{at}({x})"

    def _outputs(self) -> None:
        given: dict[int, str] = {}
        for output in self.gene.outputs:
            values = [self._values[name] for name in output.sources]
            wide = self.inner * len(values)
            value = values[0] if len(values) == 1 else f"torch.cat([{', '.join(values)}], 1)"
            if self.gene.projection != "none":
                at = self._attribute(f"project{output.level}")
                old = f"projections.{output.level}"
                if self.gene.projection == "conv":
                    made = f"nn.Conv2d({wide}, {self.outer}, 1, bias=False)"
                    self.weights[f"{old}.0"] = at
                else:
                    made = self.copier.call(blocks.conv_norm_relu, wide, self.outer)
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
            self.forward += fit("return (", values, ")")

    def _attribute(self, wanted: str) -> str:
        name = unlike(wanted, {*self._attributes, *dir(nn.Module)})
        self._attributes.add(name)
        return name

    def _local(self, wanted: str) -> str:
        # A value must not hide a function that the class calls.
        name = unlike(wanted, {*self._locals, *self.copier.taken})
        self._locals.add(name)
        return name


def _levels(levels: Iterable[int]) -> str:
    numbers = sorted(set(levels))
    if len(numbers) == 1:
        return f"level {numbers[0]}"
    if numbers == list(range(numbers[0], numbers[-1] + 1)):
        return f"levels {numbers[0]} to {numbers[-1]}"
    return f"levels {', '.join(map(str, numbers))}"
