"""A searched neck in a detector of torchvision: RetinaNet on a ResNet-18, one step and one image.

    python scripts/examples/torchvision_neck.py [--genotype asfd-ref]

torchvision must be one that fits the torch that is installed.
"""

import argparse

import torch
from torch import Tensor, nn
from torchvision.models import resnet18
from torchvision.models._utils import IntermediateLayerGetter
from torchvision.models.detection import RetinaNet
from torchvision.models.detection.anchor_utils import AnchorGenerator

from nasface.detection.necks.adapter import BackboneWithNeck, Neck

STAGES = {"layer1": "c2", "layer2": "c3", "layer3": "c4", "layer4": "c5"}


def build(genotype: str, channels: int = 64) -> nn.Module:
    """Return a face detector: two classes, of which the first is background, and six levels."""
    body = IntermediateLayerGetter(resnet18(weights=None), STAGES)
    neck = Neck(genotype, in_channels=[64, 128, 256, 512], out_channels=channels)
    sizes = tuple((4 * 2**level,) for level in neck.levels)
    anchors = AnchorGenerator(sizes, ((1.5,),) * len(sizes))
    # An untrained model gives every anchor a score of 0.01; with a threshold below it, boxes reach
    # suppression.
    model: nn.Module = RetinaNet(
        BackboneWithNeck(body, neck),
        num_classes=2,
        anchor_generator=anchors,
        min_size=320,
        score_thresh=0.005,
        detections_per_img=100,
    )
    return model


def main() -> None:
    """Take a training step, then detect."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--genotype", default="asfd-ref")
    model = build(parser.parse_args().genotype)
    images = [torch.rand(3, 320, 400), torch.rand(3, 300, 320)]
    faces = [torch.tensor([[40.0, 50.0, 100.0, 140.0]]), torch.zeros(0, 4)]
    targets = [
        {"boxes": boxes, "labels": torch.ones(len(boxes), dtype=torch.int64)} for boxes in faces
    ]
    optimizer = torch.optim.SGD(model.parameters(), lr=0.001)
    losses: dict[str, Tensor] = model(images, targets)
    sum(losses.values(), torch.zeros(())).backward()
    optimizer.step()
    print("  ".join(f"{name} {float(value.detach()):.3f}" for name, value in losses.items()))
    with torch.inference_mode():
        (found,) = model.eval()([images[0]])
    print(f"{len(found['boxes'])} boxes, best first:")
    for box, score in list(zip(found["boxes"].tolist(), found["scores"].tolist(), strict=True))[:3]:
        print(f"  {score:.4f}  {' '.join(f'{each:.1f}' for each in box)}")


if __name__ == "__main__":
    main()
