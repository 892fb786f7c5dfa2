"""What the papers say of the detectors of the zoo, and what was chosen where they say nothing.

The cards of ``nasface models NAME`` and the tables of docs/models.md hold these texts; a test
compares them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class ModelFacts:
    """Facts of the detectors of one paper.

    ``paper`` is its title with authors, place and year. ``choices`` says what it leaves open and
    what was chosen; ``counted``, what its published counts hold that ours do not; ``weights``, how
    weights of others are read.
    """

    models: tuple[str, ...]
    paper: str
    backbone: str
    neck: str
    heads: str
    also: str
    choices: str
    counted: str = ""
    weights: str = ""


COMMON_CHOICES = (
    "images are normalised as everywhere in nasface. Convolutions in necks, and in heads with "
    "layers, have batch norm instead of a bias. Maps are enlarged to the exact size of the finer "
    "level, so that any image will do. Hard negatives are chosen over the batch; "
    "`--loss.classification hard_negatives_per_image` chooses them image by image."
)
"""What was chosen for all published detectors."""

FAMILY_FACTS = ModelFacts(
    (),
    "ASFD: Automatic and Scalable Face Detector (Zhang et al., 2020, arXiv 2003.11228)",
    "MobileNetV1, ResNet-18 to ResNet-152, and two levels above",
    "searched cells: those of a genotype, `asfd-ref` by default",
    "separable or dense 3x3 layers, one anchor at a position",
    "first shot in training",
    "The paper publishes the size of each detector, not its widths and depths: these are chosen so "
    "that parameters and multiply-adds at 640 x 480 are within 3 % of its Table 4. The separable "
    "form has the operations of the authors' published code, the dense form is simpler to export. "
    "Of the default genotype, the cells that join levels are the authors', those behind them ours.",
)
"""Facts of D0 to D6."""

PEER_FACTS: Mapping[str, ModelFacts] = MappingProxyType(
    {
        "RetinaFace": ModelFacts(
            ("retinaface-mobilenet0.25", "retinaface-r50"),
            "RetinaFace: Single-stage Dense Face Localisation in the Wild (Deng et al., CVPR "
            "2020, arXiv 1905.00641)",
            "MobileNetV1-0.25, ResNet-50; strides 8 to 32",
            "FPN with a 3x3 after each sum, SSH",
            "1x1, two anchors at a position",
            "leaky rectifiers behind MobileNet",
            "the FPN of the common torch port, which the published counts are of: a 3x3 after each "
            "sum, none on the coarsest level. Boxes without landmarks or dense regression.",
            counted="heads of five landmarks, which are left out here: 3900 parameters with "
            "MobileNet, 15420 with ResNet-50",
            weights="published weights in the form of the common torch port can be used, without "
            "landmarks: `nasface detect --weights mobilenet0.25_Final.pth photo.jpg`.",
        ),
        "S3FD": ModelFacts(
            ("s3fd-vgg16",),
            "S3FD: Single Shot Scale-invariant Face Detector (Zhang et al., ICCV 2017, arXiv "
            "1708.05237)",
            "VGG16 and six levels",
            "L2 normalisation",
            "3x3, max-out background",
            "",
            "faces with fewer than 6 anchors take their next best ones above an IoU of 0.1; "
            "instead of 6, the paper has the mean number of anchors of a face.",
        ),
        "EXTD": ModelFacts(
            ("extd-32", "extd-48", "extd-64"),
            "EXTD: Extremely Tiny Face Detector via Iterative Filter Reuse (Yoo et al., 2019, "
            "arXiv 1906.06579)",
            "one shallow network applied six times",
            "separable pyramid",
            "3x3, max-out background",
            "all levels share the weights of the backbone",
            "widths, expansions and the order of the blocks are those of the authors' networks. "
            "Faces with few anchors take more, as in S3FD.",
        ),
        "PyramidBox": ModelFacts(
            ("pyramidbox-vgg16",),
            "PyramidBox: A Context-assisted Single Shot Face Detector (Tang et al., ECCV 2018, "
            "arXiv 1803.07737)",
            "VGG16 and six levels",
            "low-level FPN of products, L2 normalisation, context module",
            "3x3, max-in-out",
            "outputs for the heads around faces",
            "anchors of half the size stand for heads, on strides 8 to 128, at half the weight. "
            "Faces with few anchors take more, as in S3FD. The published Table 4 has a ResNet-50 "
            "form that is nowhere described; this is the VGG16 of the paper.",
        ),
        "DSFD": ModelFacts(
            ("dsfd-r50", "dsfd-r152", "dsfd-vgg16"),
            "DSFD: Dual Shot Face Detector (Li et al., CVPR 2019, arXiv 1810.10220)",
            "ResNet, VGG16",
            "low-level FPN of products, FEM's context; L2 normalisation before them with VGG16",
            "three 3x3 layers of 256, max-in-out",
            "first shot in training",
            "the first shot passes 1x1 convolutions to the width of the heads, which both shots "
            "share; they are no part of the detector afterwards and are not counted. Without the "
            "further outputs for heads and bodies of the authors' code.",
        ),
        "SRN": ModelFacts(
            ("srn-r50",),
            "Selective Refinement Network for High Performance Face Detection (Chi et al., AAAI "
            "2019, arXiv 1809.02693)",
            "ResNet-50",
            "FPN",
            "3x3 layers and a receptive field module, shared by all levels",
            "selective two steps",
            "both steps have the same assignment (positive from an IoU of 0.5, ignored from 0.4). "
            "A softmax over two logits stands for the sigmoid. The steps' outputs that the "
            "selection does not use are computed all the same, as in the authors' network, so that "
            "counts agree.",
        ),
        "RefineFace": ModelFacts(
            ("refineface-r152",),
            "RefineFace: Refinement Neural Network for High Performance Face Detection (Zhang et "
            "al., 2019, arXiv 1909.04376)",
            "ResNet-152",
            "FPN",
            "3x3 layers and a receptive field module, shared by all levels",
            "selective two steps",
            "SRN's network on ResNet-152; its scale-aware margin and feature supervision, which "
            "exist in training alone, are left out.",
        ),
    }
)
"""Facts of the published detectors, by the name of the paper's detector."""
