"""A detector as the source of one Python file that needs torch and safetensors alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from torch import Tensor, nn

import nasface
from nasface.data.tensors import IMAGE_MEAN, IMAGE_STD
from nasface.deploy.python_source.extract import LAYERS, Code, SourceCopier
from nasface.deploy.python_source.layout import fit, fit_call
from nasface.deploy.python_source.neck import NeckSource
from nasface.detection import anchors, boxes
from nasface.detection.backbones.registry import find_backbone
from nasface.detection.checkpoint import LICENCE
from nasface.detection.config import DetectorConfig
from nasface.detection.detector import Detector
from nasface.detection.heads import head_builder
from nasface.detection.necks.registry import GENOTYPE, uses_genotype, widths_given
from nasface.detection.pyramid import ExtraLevels
from nasface.detection.two_step import refine
from nasface.inference.predict import SuppressionConfig
from nasface.nn.blocks import conv_norm_relu, soften_rectifiers
from nasface.nn.cost import count_parameters

_IMPORTS = {
    "Path": ("pathlib", "Path"),
    "Tensor": ("torch", "Tensor"),
    "load_file": ("safetensors.torch", "load_file"),
    "nn": ("torch", "nn"),
    "torch": ("torch", ""),
}
_DEFINED = (
    "WEIGHTS", "MEAN", "STD", "LEVELS", "STRIDES", "SIDES", "ASPECT",
    "Detector", "anchors_of", "load", "prepare", "detect",
)  # fmt: skip
"""What the file imports, and defines, in any case."""


@dataclass(frozen=True)
class PythonSource:
    """The text of a file, and where each weight goes: the start of its name, old -> new."""

    text: str
    weights: Mapping[str, str]

    def renamed(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the weights of the detector by their names in the file, without those of training
        alone."""
        return {
            new + key[len(old) :]: value
            for key, value in state.items()
            for old, new in self.weights.items()
            if key == old or key.startswith(f"{old}.")
        }


def write_source(
    found: Detector, name: str, suppression: SuppressionConfig, module: str
) -> PythonSource:
    """Return the file of a detector; ``name`` is the genotype's or, without one, the neck's.

    ``module`` is the name under which the file will be imported.

    Raises:
        ExportError: for a part of the detector, added from outside the package, whose source cannot
            be copied.
    """
    trunk, config = found.trunk, found.trunk.config
    copier = SourceCopier(_IMPORTS, _DEFINED)
    copier.section = "Backbone"
    backbone = copier.call(find_backbone(config.backbone))
    copier.section = "Pyramid"
    extra = "nn.Identity()"
    if isinstance(trunk.extra, ExtraLevels):
        width = trunk.backbone.channels[5]
        extra = copier.call(ExtraLevels, width, config.extra_channels, config.extra)
    laterals = _laterals("laterals", trunk.laterals, config, copier)
    of_first: list[str] = []
    if config.first_shot == "two-step":
        of_first = _laterals("first_laterals", trunk.first_laterals, config, copier)
    copier.section = "Neck"
    neck = NeckSource(found.neck, trunk.pyramid_widths, config, copier)
    copier.section = "Heads"
    headed = config.levels[:1] if config.shared_head else config.levels
    widths = widths_given(found.neck, trunk.pyramid_widths)
    heads = [copier.call(head_builder(config, level, widths[level])) for level in headed]
    init = [
        *fit_call("self.backbone = ", backbone),
        f"self.extra = {extra}",
        *laterals,
        *of_first,
        *neck.init,
        *_heads(heads, config.shared_head),
    ]
    if config.negative_slope:
        init.append(f"{copier.copy(soften_rectifiers)}(self, {config.negative_slope})")
    copier.section = "Boxes"
    functions = (boxes.decode, boxes.clip, boxes.non_maximum_suppression)
    names = [copier.copy(each) for each in functions]
    level_anchors = copier.copy(anchors.level_anchors)
    detect = _one_pass(config.shared_head)
    before: list[str] = []
    if config.first_shot == "two-step":
        before = _first_step(neck.maps, bool(of_first))
        detect = _two_steps(copier.copy(refine), config)
    forward = [*_pyramid(neck.maps, bool(laterals)), *before, *neck.forward]
    sections = copier.sections
    sections["Cells"] = neck.cells
    sections["Detector"] = [
        _detector(init, [*forward, f"maps = ({neck.maps})", *detect]),
        _anchors(level_anchors),
    ]
    sections["Use"] = [_use(suppression, *names)]
    order = (LAYERS, "Backbone", "Pyramid", "Neck", "Cells", "Heads", "Detector", "Boxes", "Use")
    parts = [_section(title, sections[title]) for title in order if sections.get(title)]
    code = "\n\n\n".join([_constants(found), *parts])
    text = (
        f"{_opening(found, name, module, copier.packages())}\n\n{copier.import_lines()}\n\n{code}\n"
    )
    of_trunk = ["backbone", "extra", "laterals", "heads", *["first_laterals"] * bool(of_first)]
    return PythonSource(text, {**{f"trunk.{part}": part for part in of_trunk}, **neck.weights})


def _laterals(
    name: str, modules: nn.ModuleList, config: DetectorConfig, copier: SourceCopier
) -> list[str]:
    """Return the lines of the constructor that build 1x1 layers, one for each level; none for no
    modules."""
    if not modules:
        return []
    widths = [cast(nn.Conv2d, cast(nn.Sequential, each)[0]).in_channels for each in modules]
    lateral = copier.call(conv_norm_relu, Code("width"), config.channels)
    listed = f"{widths[0]}," if len(widths) == 1 else ", ".join(map(str, widths))
    return [f"widths = ({listed})", f"self.{name} = nn.ModuleList({lateral} for width in widths)"]


def _heads(calls: list[str], shared: bool) -> list[str]:
    if shared:
        return fit_call("self.heads = ", f"nn.ModuleList([{calls[0]}])")
    if len(set(calls)) == 1:
        return fit_call("self.heads = ", f"nn.ModuleList({calls[0]} for _ in LEVELS)")
    each_on_a_line = [f"        {each}," for each in calls]
    return ["self.heads = nn.ModuleList(", "    [", *each_on_a_line, "    ]", ")"]


def _opening(found: Detector, name: str, module: str, packages: list[str]) -> str:
    needs = f"{', '.join(packages[:-1])} and {packages[-1]}"
    config = found.trunk.config
    millions = count_parameters(found) / 1e6
    if config.first_shot != "two-step":
        # Those of training alone are not in the file.
        millions -= count_parameters(found.trunk.first_laterals) / 1e6
    made_of = f"Genotype {name}" if config.neck == GENOTYPE else f"Neck {config.neck}"
    if uses_genotype(config.neck) and config.neck != GENOTYPE:
        made_of += f", genotype {name}"
    return f'''"""A face detector, {millions:.2f} M parameters.

{made_of}, backbone {config.backbone}.

Written by nasface {nasface.__version__}, without which it runs: it needs {needs},
and {module}.safetensors beside it.
Its {LICENCE}.

    import torch
    from {module} import detect, load

    detector = load()
    image = torch.from_numpy(array)  # uint8 (height, width, 3), RGB
    boxes, scores = detect(detector, image)  # x1 y1 x2 y2 in pixels, best first

Letters at the end of a name are the shape: B image, C channel, H row, W column, A anchor, N box.
Level l has a stride of 2**l pixels.
"""'''


def _constants(found: Detector) -> str:
    config = found.trunk.config
    strides = tuple(2**level for level in config.levels)
    sides = [f"{tuple(map(float, each))}" for each in config.anchors.sides_of(strides)]
    if len(sides) == 1:
        sides[0] += ","
    listed = "\n".join(fit("SIDES = (", sides, ")", 0))
    return f"""WEIGHTS = Path(__file__).with_suffix(".safetensors")

#: mean and standard deviation of R, G, B over ImageNet, where white is 1
MEAN, STD = {IMAGE_MEAN}, {IMAGE_STD}

LEVELS = {config.levels}
#: pixels from one position to the next, level by level
STRIDES = {strides}
#: sides in pixels of the anchors at a position, level by level, and their height over their width
{listed}
ASPECT = {config.anchors.aspect}"""


def _section(title: str, parts: list[str]) -> str:
    """Return the parts under a heading; constants, which have one line, stand close together."""
    text = ""
    for part, after in zip(parts, [*parts[1:], ""], strict=True):
        constants = "\n" not in part and after and "\n" not in after
        text += part + ("\n" if constants else "\n\n\n")
    return f"# --- {title}\n\n\n{text.rstrip()}"


def _pyramid(maps: str, projected: bool) -> list[str]:
    """Return the lines of the forward pass from the images to the maps that the neck takes."""
    lines = ["features = self.extra(self.backbone(images_B3HW))"]
    if not projected:
        return [*lines, f"{maps} = (features[level] for level in LEVELS)"]
    each = "lateral(features[level]) for level, lateral in zip(LEVELS, self.laterals, strict=True)"
    return [*lines, f"{maps} = (", f"    {each}", ")"]


def _first_step(maps: str, projected: bool) -> list[str]:
    """Return the lines that keep the maps before the neck for the first of two steps."""
    lines = [f"original = ({maps})"]
    if projected:
        each = "lateral(x) for lateral, x in zip(self.first_laterals, original, strict=True)"
        lines.append(f"original = [{each}]")
    return lines


def _one_pass(shared: bool) -> list[str]:
    """Return the line in which the heads see the maps behind the neck."""
    each_head = "head(x) for head, x in zip(self.heads, maps, strict=True)"
    return [f"found = [{'self.heads[0](x) for x in maps' if shared else each_head}]"]


def _two_steps(refine: str, config: DetectorConfig) -> list[str]:
    """Return the lines in which they see those before the neck as well, in one batch, as the
    detector does."""
    each_head = "head(torch.cat(pair)) for head, pair in zip(self.heads, pairs, strict=True)"
    if config.shared_head:
        each_head = "self.heads[0](torch.cat(pair)) for pair in pairs"
    return [
        "pairs = zip(original, maps, strict=True)",
        f"both = [{each_head}]",
        "count = len(images_B3HW)",
        "first = [(logits[:count], offsets[:count]) for logits, offsets in both]",
        "second = [(logits[count:], offsets[count:]) for logits, offsets in both]",
        f"_, found = {refine}(first, second, {len(config.levels) // 2})",
    ]


def _detector(init: list[str], forward: list[str]) -> str:
    body = "\n".join(f"        {line}" for line in init)
    passes = "\n".join(f"        {line}" for line in forward)
    return f'''class Detector(nn.Module):
    """Images (B, 3, H, W), normalised -> logits (B, A, 2), offsets (B, A, 4), anchors (A, 4)."""

    def __init__(self) -> None:
        super().__init__()
{body}

    def forward(self, images_B3HW: Tensor) -> tuple[Tensor, Tensor, Tensor]:
{passes}
        logits = torch.cat([each for each, _ in found], dim=1)
        offsets = torch.cat([each for _, each in found], dim=1)
        return logits, offsets, anchors_of(maps)'''


def _anchors(level_anchors: str) -> str:
    return f'''def anchors_of(maps: tuple[Tensor, ...]) -> Tensor:
    """Anchors (A, 4), x1 y1 x2 y2 in pixels: level by level, row by row, position by position."""
    levels = []
    for x, stride, sides in zip(maps, STRIDES, SIDES, strict=True):
        size = x.shape[-2:]
        anchors = [{level_anchors}(*size, stride, side, ASPECT, x.device) for side in sides]
        levels.append(torch.stack(anchors, dim=1).flatten(0, 1))
    return torch.cat(levels)'''


def _use(suppression: SuppressionConfig, decode: str, clip: str, suppress: str) -> str:
    return f'''def load(weights: Path = WEIGHTS, device: torch.device | str = "cpu") -> Detector:
    """The detector with its weights, for inference."""
    detector = Detector()
    detector.load_state_dict(load_file(weights))
    # On a CPU channels-last memory is twice as fast here.
    return detector.eval().to(device, memory_format=torch.channels_last)


def prepare(image_HW3: Tensor) -> Tensor:
    """An image uint8 (H, W, 3), RGB -> float32 (3, H, W) as the detector takes it."""
    mean, std = (torch.tensor(each).mul(255).view(3, 1, 1) for each in (MEAN, STD))
    return (image_HW3.permute(2, 0, 1).float() - mean) / std


@torch.inference_mode()
def detect(
    detector: Detector,
    image_HW3: Tensor,
    *,
    score_threshold: float = {suppression.score_threshold},
    nms_iou: float = {suppression.nms_iou},
    pre_nms_top_k: int = {suppression.pre_nms_top_k},
    max_detections: int = {suppression.max_detections},
) -> tuple[Tensor, Tensor]:
    """Boxes (N, 4), x1 y1 x2 y2 in pixels, and scores (N,) of the faces in an image, best first.

    The ``pre_nms_top_k`` best anchors that score ``score_threshold`` or more enter suppression,
    which drops the weaker of two boxes whose IoU is above ``nms_iou``; at most ``max_detections``
    faces stay.
    """
    device = next(detector.parameters()).device
    images = prepare(image_HW3.cpu())[None].to(device, memory_format=torch.channels_last)
    logits, offsets, anchors = detector(images)
    scores = logits[0].softmax(dim=1)[:, 1]
    chosen = torch.nonzero(scores >= score_threshold).squeeze(1)
    boxes, scores = {decode}(offsets[0, chosen], anchors[chosen]), scores[chosen]
    kept = {suppress}(
        boxes, scores, nms_iou, before=pre_nms_top_k, keep=max_detections
    )
    return {clip}(boxes[kept], *image_HW3.shape[:2]), scores[kept]'''
