"""A detector as the source of one Python file that needs torch and safetensors alone."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from torch import nn

import nasface
from nasface.data.images import IMAGE_MEAN, IMAGE_STD
from nasface.detection import anchors, boxes, heads, pyramid
from nasface.detection.backbones import resnet
from nasface.detection.backbones.mobilenet import MobileNetV1
from nasface.detection.backbones.resnet import Block, ResNet
from nasface.detection.checkpoint import LICENCE
from nasface.detection.config import DetectorConfig
from nasface.detection.detector import Detector
from nasface.detection.necks.registry import GENOTYPE, uses_genotype
from nasface.detection.pyramid import LEVELS, STRIDES
from nasface.errors import ExportError
from nasface.export.python_source import templates as pieces
from nasface.export.python_source.cell import fit
from nasface.export.python_source.extract import gather
from nasface.export.python_source.neck import MAPS, NeckSource
from nasface.inference.predict import SuppressionConfig
from nasface.nn import blocks
from nasface.nn.cost import count_parameters

_PUBLIC = {"_bottleneck": "bottleneck"}


@dataclass(frozen=True)
class PythonSource:
    """The text of a file, and where each weight goes: the start of its name, old -> new."""

    text: str
    weights: Mapping[str, str]

    def rename(self, key: str) -> str:
        """The name of a weight of the detector in the file."""
        for old, new in self.weights.items():
            if key == old or key.startswith(f"{old}."):
                return new + key[len(old) :]
        return key


def write_source(
    found: Detector, name: str, suppression: SuppressionConfig, module: str
) -> PythonSource:
    """The file of a detector; ``name`` is the genotype's or, without one, the module's.

    ``module`` is the name under which the file will be imported.

    Raises:
        ExportError: for a backbone that has no such form.
    """
    config = found.trunk.config
    body, weights = _backbone(found.trunk.backbone, config.backbone)
    middle = NeckSource(found.neck, config.channels)
    # What has its place by now goes first.
    weights |= {"trunk.backbone": "backbone", "trunk.extra.c6": "c6", "trunk.extra.c7": "c7"}
    weights |= {"trunk.laterals": "laterals", "trunk.heads": "heads", **middle.weights}
    cells, hand_made = middle.cells(), middle.hand_made()
    head, whole = _head(config), _detector(found, middle)
    parts = [
        _section("Layers", *layers_of("\n".join([body, *cells, *hand_made, head, whole]))),
        _section("Backbone", body),
        _section("Hand-made necks", *hand_made) if hand_made else "",
        _section("Searched cells", *cells) if cells else "",
        _section("Heads", head, *_cosine(config)),
        _section("Detector", whole, _anchors()),
        _section("Boxes", *_boxes()),
        _section("Use", _use(suppression)),
    ]
    code = "\n\n\n".join([_constants(config), *filter(None, parts)])
    text = f"{_opening(found, name, module)}\n\n{_imports(code)}\n\n{code}\n"
    return PythonSource(text, weights)


def _opening(found: Detector, name: str, module: str) -> str:
    config = found.trunk.config
    millions = count_parameters(found) / 1e6
    made_of = f"Genotype {name}" if config.neck == GENOTYPE else f"Module {config.neck}"
    if uses_genotype(config.neck) and config.neck != GENOTYPE:
        made_of += f", genotype {name}"
    return f'''"""A face detector, {millions:.2f} M parameters.

{made_of}, backbone {config.backbone}.

Written by nasface {nasface.__version__}, without which it runs: it needs torch and safetensors, and
{module}.safetensors beside it.
Its {LICENCE}.

    import torch
    from {module} import detect, load

    detector = load()
    image = torch.from_numpy(array)  # uint8 (height, width, 3), RGB
    boxes, scores = detect(detector, image)  # x1 y1 x2 y2 in pixels, best first

Letters at the end of a name are the shape: B image, C channel, H row, W column, A anchor, N box.
Level l has a stride of 2**l pixels.
"""'''


def _imports(code: str) -> str:
    """What the code of a file needs."""
    types = [each for each in ("Callable", "Mapping", "Sequence") if f"{each}[" in code]
    lines = ["import math"]
    if types:
        lines.append(f"from collections.abc import {', '.join(types)}")
    lines += ["from pathlib import Path", "", "import torch"]
    if re.search(r"\bF\.", code):
        lines.append("import torch.nn.functional as F")
    lines += ["from safetensors.torch import load_file", "from torch import Tensor, nn"]
    if _calls(code, "Cosine"):
        lines.append("from torch.nn.functional import conv2d, normalize")
    return "\n".join(lines)


def _constants(config: DetectorConfig) -> str:
    return f"""WEIGHTS = Path(__file__).with_suffix(".safetensors")

#: mean and standard deviation of R, G, B over ImageNet, where white is 1
MEAN, STD = {IMAGE_MEAN}, {IMAGE_STD}

#: pixels from one anchor to the next, level by level
STRIDES = {STRIDES}
#: side of an anchor in strides, and its height over its width
SIDE, ASPECT = {config.anchors.scale}, {config.anchors.aspect}"""


def _section(title: str, *parts: str) -> str:
    """Parts under a heading; constants, which have one line, stand close together."""
    text = ""
    for part, after in zip(parts, [*parts[1:], ""], strict=True):
        constants = "\n" not in part and after and "\n" not in after
        text += part + ("\n" if constants else "\n\n\n")
    return f"# --- {title}\n\n\n{text.rstrip()}"


def layers_of(text: str) -> list[str]:
    """The functions and classes that the rest of the file calls."""
    found: list[str] = []
    for module, names, rename in (
        (
            blocks,
            (
                "conv_norm_relu",
                "separable_conv_norm_relu",
                "depthwise_separable",
                "FactorizedReduce",
            ),
            {},
        ),
        (pyramid, ("_bottleneck",), _PUBLIC),
        (resnet, ("Block",), {}),
        (
            pieces,
            ("pointwise", "separable", "dense", "cross", "dense_cross", "upsample", "downsample"),
            {},
        ),
    ):
        used = [name for name in names if _calls(text, rename.get(name, name))]
        if module is blocks and _calls(text, "bottleneck"):
            used.append("conv_norm_relu")
        found += gather(module, used, rename) if used else []
    return found


def _calls(text: str, name: str) -> bool:
    return re.search(rf"(?<![\w.]){name}\(", text) is not None


def _backbone(module: nn.Module, name: str) -> tuple[str, dict[str, str]]:
    if isinstance(module, MobileNetV1):
        return _mobilenet(module, name)
    if isinstance(module, ResNet):
        return _resnet(module, name)
    raise ExportError(f"backbone {name}: has no form in plain Python")


def _mobilenet(module: MobileNetV1, name: str) -> tuple[str, dict[str, str]]:
    stem = cast(nn.Conv2d, module.stem[0]).out_channels
    lines = [f"self.stem = conv_norm_relu(3, {stem}, 3, 2)"]
    weights = {}
    for level, stage in module.stages.items():
        layers = []
        for each in cast(nn.Sequential, stage):
            block = cast(nn.Sequential, each)
            depthwise, last = cast(nn.Conv2d, block[0]), cast(nn.Conv2d, block[3])
            sizes = f"{depthwise.in_channels}, {last.out_channels}, {depthwise.stride[0]}"
            layers.append(f"depthwise_separable({sizes})")
        lines += fit(f"self.c{level} = nn.Sequential(", layers, ")", 8)
        weights[f"trunk.backbone.stages.{level}"] = f"backbone.c{level}"
    return _backbone_class(name, lines, "c2 = self.c2(self.stem(images_B3HW))"), weights


def _resnet(module: ResNet, name: str) -> tuple[str, dict[str, str]]:
    lines = ["self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)", "self.bn1 = nn.BatchNorm2d(64)"]
    weights = {}
    for level in range(2, 6):
        stage = cast(nn.Sequential, module.get_submodule(f"layer{level - 1}"))
        first, *others = [cast(Block, each) for each in stage]
        wide = module.channels[level]
        width, kind = first.conv1.out_channels, first.bottleneck
        stride = (first.conv2 if kind else first.conv1).stride[0]
        layers = [f"Block({first.conv1.in_channels}, {width}, {stride}, {kind})"]
        if others:
            same = f"Block({wide}, {width}, 1, {kind})"
            layers.append(f"*({same} for _ in range({len(others)}))")
        lines += fit(f"self.c{level} = nn.Sequential(", layers, ")", 8)
        weights[f"trunk.backbone.layer{level - 1}"] = f"backbone.c{level}"
    stem = "F.max_pool2d(F.relu(self.bn1(self.conv1(images_B3HW))), 3, 2, 1)"
    return _backbone_class(name, lines, f"c2 = self.c2({stem})"), weights


def _backbone_class(name: str, init: list[str], first: str) -> str:
    body = "\n".join(f"        {line}" for line in init)
    return f'''class Backbone(nn.Module):
    """{name}: images -> maps of levels 2 to 5."""

    def __init__(self) -> None:
        super().__init__()
{body}

    def forward(self, images_B3HW: Tensor) -> tuple[Tensor, ...]:
        {first}
        c3 = self.c3(c2)
        c4 = self.c4(c3)
        c5 = self.c5(c4)
        return c2, c3, c4, c5'''


def _head(config: DetectorConfig) -> str:
    cosine = config.classifier == "cosine"
    layer = (
        f"separable_conv_norm_relu({config.channels})"
        if config.head == "separable"
        else f"conv_norm_relu({config.channels}, {config.channels}, 3)"
    )
    last = f"Cosine({config.channels}, logits, {config.cosine_scale})"
    if not cosine:
        last = f"nn.Conv2d({config.channels}, logits, 1)"
    several = config.max_in_out
    note = "\n\n    The greatest of several logits stands for a class.\n    " if several else ""
    arguments = "self, kinds: tuple[int, int]" if several else "self"
    choose = "return logits, flatten(self.regress(x_BCHW))"
    keep, logits = "", "2"
    if several:
        keep, logits = "        self.kinds = kinds\n", "sum(kinds)"
        choose = (
            "logits = torch.stack([each.amax(2) for each in logits.split(self.kinds, 2)], 2)\n"
            f"        {choose}"
        )
    last = last.replace("logits", logits)
    classify = f"self.classify = nn.Sequential(*layers(), {last})"
    if cosine and config.head_layers:
        classify = f"""*first, rectified = layers()
        self.classify = nn.Sequential(*first, rectified[:-1], {last})  # no ReLU before a cosine"""
    return f'''class Head(nn.Module):
    """Class logits and box offsets of a level, one anchor at each position.{note}"""

    def __init__({arguments}) -> None:
        super().__init__()
{keep}        {classify}
        self.regress = nn.Sequential(*layers(), nn.Conv2d({config.channels}, 4, 1))

    def forward(self, x_BCHW: Tensor) -> tuple[Tensor, Tensor]:
        logits = flatten(self.classify(x_BCHW))
        {choose}


def layers() -> list[nn.Sequential]:
    """What stands before the last convolution of each branch of a head."""
    return [{layer} for _ in range({config.head_layers})]


''' + "\n".join(gather(heads, ["_flatten"], {"_flatten": "flatten"}))


def _cosine(config: DetectorConfig) -> list[str]:
    return gather(heads, ["Cosine"]) if config.classifier == "cosine" else []


def _anchors() -> str:
    return '''def anchors_of(maps: tuple[Tensor, ...]) -> Tensor:
    """Anchors (A, 4), x1 y1 x2 y2 in pixels: level by level, row by row, one per position."""
    anchors = [
        level_anchors(*x.shape[-2:], stride, SIDE * stride, ASPECT, x.device)
        for x, stride in zip(maps, STRIDES, strict=True)
    ]
    return torch.cat(anchors)


''' + "\n".join(gather(anchors, ["_level"], {"_level": "level_anchors"}))


def _detector(found: Detector, middle: NeckSource) -> str:
    config, trunk = found.trunk.config, found.trunk
    wide = [cast(nn.Conv2d, cast(nn.Sequential, each)[0]).in_channels for each in trunk.laterals]
    c5, (c6, c7) = wide[3], config.extra_channels
    if config.extra == "separable":
        extra = [f"depthwise_separable({c5}, {c6}, 2)", f"depthwise_separable({c6}, {c7}, 2)"]
    else:
        narrow = [
            cast(nn.Conv2d, each[0]).out_channels for each in (trunk.extra.c6, trunk.extra.c7)
        ]
        extra = [f"bottleneck({c5}, {narrow[0]}, {c6})", f"bottleneck({c6}, {narrow[1]}, {c7})"]
    init = ["self.backbone = Backbone()", f"self.c6 = {extra[0]}", f"self.c7 = {extra[1]}"]
    widths = ", ".join(map(str, wide))
    init += [
        f"widths = ({widths})",
        "self.laterals = nn.ModuleList("
        f"conv_norm_relu(width, {config.channels}) for width in widths)",
    ]
    init += middle.init
    if config.max_in_out:
        kinds = tuple(cast(heads.Head, head).kinds for head in trunk.heads)
        init += [
            f"kinds = {kinds}",
            "self.heads = nn.ModuleList(Head(each) for each in kinds)",
        ]
    else:
        init.append(f"self.heads = nn.ModuleList(Head() for _ in range({len(LEVELS)}))")
    body = "\n".join(f"        {line}" for line in init)
    passes = "".join(f"        {line}\n" for line in middle.forward)
    return f'''class Detector(nn.Module):
    """Images (B, 3, H, W), normalised -> logits (B, A, 2), offsets (B, A, 4), anchors (A, 4)."""

    def __init__(self) -> None:
        super().__init__()
{body}

    def forward(self, images_B3HW: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        c2, c3, c4, c5 = self.backbone(images_B3HW)
        c6 = self.c6(c5)
        maps = (c2, c3, c4, c5, c6, self.c7(c6))
        {MAPS} = (each(x) for each, x in zip(self.laterals, maps, strict=True))
{passes}        maps = ({MAPS})
        found = [head(x) for head, x in zip(self.heads, maps, strict=True)]
        logits = torch.cat([each for each, _ in found], dim=1)
        offsets = torch.cat([each for _, each in found], dim=1)
        return logits, offsets, anchors_of(maps)'''


def _boxes() -> list[str]:
    names = ("_MAX_LOG_SIZE", "_SUPPRESSION_BLOCK", "_greedy")
    public = {name: name[1:] for name in names}
    return gather(boxes, ["decode", "clip", "non_maximum_suppression"], public)


def _use(suppression: SuppressionConfig) -> str:
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
    confidence: float = {suppression.score_threshold},
    overlap: float = {suppression.nms_iou},
    before: int = {suppression.pre_nms_top_k},
    keep: int = {suppression.max_detections},
) -> tuple[Tensor, Tensor]:
    """Boxes (N, 4), x1 y1 x2 y2 in pixels, and scores (N,) of the faces in an image, best first.

    The ``before`` best anchors that score ``confidence`` or more enter suppression, which drops the
    weaker of two boxes that overlap by more than ``overlap``; at most ``keep`` faces stay.
    """
    device = next(detector.parameters()).device
    images = prepare(image_HW3.cpu())[None].to(device, memory_format=torch.channels_last)
    logits, offsets, anchors = detector(images)
    scores = logits[0].softmax(dim=1)[:, 1]
    chosen = torch.nonzero(scores >= confidence).squeeze(1)
    boxes, scores = decode(offsets[0, chosen], anchors[chosen]), scores[chosen]
    kept = non_maximum_suppression(boxes, scores, overlap, before=before, keep=keep)
    return clip(boxes[kept], *image_HW3.shape[:2]), scores[kept]'''
