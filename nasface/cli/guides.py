"""What the help of each command leads with: examples, and the options that most people need."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from nasface.cli.plan_examples import MODELS_PLAN_EXAMPLE, PLAN_EXAMPLE, TUNE_EXAMPLE


@dataclass(frozen=True)
class Guide:
    """Examples of a command (what for, the command) and the options of its short help.

    ``groups``: title -> names of options; ``--help-all`` shows the others. Without groups the
    short help shows all options. ``notes`` stand below the examples.
    """

    examples: tuple[tuple[str, str], ...]
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    notes: str = ""


_RUN = ("data", "out", "config", "resume")
_COMPUTER = ("device", "workers", "seed")

GUIDES: Mapping[str, Guide] = MappingProxyType(
    {
        "detect": Guide(
            (
                ("Find faces in a folder", "nasface detect holiday/"),
                ("A video, every face above 0.3", "nasface detect clip.mp4 --score-threshold 0.3"),
                (
                    "With a detector of your own",
                    "nasface detect --weights train/best.safetensors --out found photo.jpg",
                ),
            ),
            {
                "common": ("out", "model", "weights", "score-threshold", "config", "json"),
                "inputs and computer": ("frames", "bad-images", "device", "precision"),
                "how the detector is applied": ("inference.longer-side", "inference.preset"),
            },
        ),
        "models": Guide(
            (
                ("List them", "nasface models"),
                ("What one was trained on", "nasface models asfd-nano"),
                ("For a program", "nasface models --json"),
            )
        ),
        "sample": Guide(
            (
                ("500 images to try things on", "nasface sample data"),
                ("A few, small ones", "nasface sample tiny --train 40 --val 10 --max-side 256"),
                ("Other faces in other places", "nasface sample again --seed 1"),
            )
        ),
        "check-data": Guide(
            (
                ("Before the first training", "nasface check-data data"),
                ("Keep the figures and a picture", "nasface check-data data --out checked"),
                ("For a program", "nasface check-data data --json"),
            )
        ),
        "convert": Guide(
            (
                ("For pycocotools, MMDetection and others", "nasface convert data coco --to coco"),
                (
                    "Without a copy of the images",
                    "nasface convert data yolo --to yolo --images link",
                ),
                (
                    "Divide a file into two parts",
                    "nasface convert faces.json data --to wider --val-fraction 0.1",
                ),
            )
        ),
        "presets": Guide(
            (
                ("List them", "nasface presets"),
                ("See what one sets", "nasface presets quickstart-search"),
                (
                    "Use one, with a change",
                    "nasface search --config preset:quickstart-search --epochs 20 "
                    "--data data --out search",
                ),
            )
        ),
        "search": Guide(
            (
                (
                    "A few minutes on a small sample",
                    "nasface search --config preset:quickstart-search --data data --out search",
                ),
                (
                    "What it would take",
                    "nasface search --estimate --config preset:widerface-search --data DIR",
                ),
                (
                    "PC-DARTS on faces: the mixture, with the partial channels of the space",
                    "nasface search --space autofem --policy softmax --data data --out pc-darts",
                ),
            ),
            {
                "common": (*_RUN, "estimate", "json"),
                "what is searched, and how": (
                    "model",
                    "space",
                    "parameters",
                    "policy",
                    "warmup-epochs",
                    "arch-lr",
                ),
                "training of the supernet": (
                    "epochs",
                    "batch-size",
                    "optimizer.lr",
                    "augment.size",
                    "detector.backbone",
                    "detector.channels",
                ),
                "computer": _COMPUTER,
            },
        ),
        "derive": Guide(
            (
                ("Of a search, as it stands", "nasface derive --run search --out now.yaml"),
                ("Of an earlier epoch", "nasface derive --run search --epoch 10 --out ten.yaml"),
                (
                    "See what it costs",
                    "nasface derive --run search --out now.yaml && nasface cost now.yaml",
                ),
            )
        ),
        "genotype": Guide(
            (
                ("The cells of a packaged one", "nasface genotype show asfd-ref"),
                ("What two have in common", "nasface genotype diff asfd-ref mine.yaml"),
                (
                    "One that another tool wrote",
                    "nasface genotype import genotypes.py --name PCDARTS --out pc.yaml",
                ),
            )
        ),
        "genotype show": Guide(
            (
                ("List the packaged ones", "nasface genotype show"),
                ("The cells of one as tables", "nasface genotype show asfd-ref"),
                ("What a search found", "nasface genotype show search/genotype.yaml --json"),
            )
        ),
        "genotype diff": Guide(
            (
                ("Two files", "nasface genotype diff one.yaml two.yaml"),
                ("A packaged one and yours", "nasface genotype diff asfd-ref mine.yaml"),
                ("For a program", "nasface genotype diff one.yaml two.yaml --json"),
            )
        ),
        "genotype validate": Guide(
            (
                ("One file", "nasface genotype validate mine.yaml"),
                ("Several", "nasface genotype validate runs/*/genotype.yaml"),
                ("A packaged one", "nasface genotype validate asfd-ref"),
            )
        ),
        "genotype import": Guide(
            (
                ("From DARTS", "nasface genotype import genotypes.py --name PCDARTS --out pc.yaml"),
                ("From the log of a search", "nasface genotype import log.txt --out last.yaml"),
                ("From nni", "nasface genotype import arch.json --out nni.yaml"),
            )
        ),
        "genotype export": Guide(
            (
                ("Print a packaged one", "nasface genotype export darts_v2"),
                ("Print yours", "nasface genotype export mine.yaml"),
                ("Into a file", "nasface genotype export darts_v2 > genotype.txt"),
            )
        ),
        "train": Guide(
            (
                (
                    "What a search found, on the small sample",
                    "nasface train --config preset:quickstart-train "
                    "--genotype search/genotype.yaml --data data --out train",
                ),
                ("A model by its name", "nasface train --model d0 --data DIR --out train"),
                (
                    "Fine-tune a released detector",
                    "nasface train --config preset:asfd-nano-finetune --data DIR --out tuned",
                ),
            ),
            {
                "common": (*_RUN, "json"),
                "what is trained": (
                    "genotype",
                    "model",
                    "detector.neck",
                    "detector.backbone",
                    "backbone-weights",
                ),
                "how": (
                    "epochs",
                    "batch-size",
                    "optimizer.lr",
                    "augment.size",
                    "evaluate-every",
                ),
                "computer": _COMPUTER,
            },
        ),
        "compare": Guide(
            (
                (
                    "A first comparison, some minutes long",
                    "nasface compare preset:first-look --data data --out first --workers 2",
                ),
                ("What a plan would take", "nasface compare plan.yaml --estimate"),
                (
                    "On a Ray cluster",
                    "nasface compare plan.yaml --out study --on ray --address head:6379",
                ),
            ),
            notes=f"a plan, all of which docs/comparisons.md explains:\n\n{PLAN_EXAMPLE}\n"
            f"a plan of models, to count and measure:\n\n{MODELS_PLAN_EXAMPLE}",
        ),
        "tune": Guide(
            (
                ("On this machine", "nasface tune tune.yaml --data data --out tuned"),
                (
                    "On a Ray cluster",
                    "nasface tune tune.yaml --out tuned --address head:6379",
                ),
                ("Train with what was best", "nasface train --config tuned/best.yaml --out final"),
            ),
            notes=f"a plan, which docs/comparisons.md explains:\n\n{TUNE_EXAMPLE}",
        ),
        "evaluate": Guide(
            (
                (
                    "Weights, on the validation part",
                    "nasface evaluate --weights train/best.safetensors --data data --out score",
                ),
                (
                    "A released one, by two protocols",
                    "nasface evaluate --weights asfd-nano --data data --also coco",
                ),
                (
                    "Detections made elsewhere, by the protocol of WIDER FACE",
                    "nasface evaluate widerface --detections DIR --data DIR --ground-truth DIR",
                ),
            ),
            {
                "common": (
                    "weights",
                    "detections",
                    "data",
                    "out",
                    "protocol",
                    "also",
                    "split",
                    "ground-truth",
                    "config",
                    "resume",
                    "json",
                ),
                "data and computer": ("data-format", "classes", "exif", "bad-images", "device"),
                "how the detector is applied": ("inference.longer-side", "inference.preset"),
            },
        ),
        "plot": Guide(
            (
                ("Curves of one evaluation", "nasface plot score --out curves.png"),
                ("Two, one over the other", "nasface plot first second --out both.svg"),
                ("With names", "nasface plot first second --labels old new --out both.pdf"),
            )
        ),
        "report": Guide(
            (
                ("Everything about one detector", "nasface report search train score"),
                ("What detect found", "nasface report detections --out faces.html"),
                ("Two trainings side by side", "nasface report train-a train-b --out both.html"),
            )
        ),
        "export": Guide(
            (
                (
                    "As ONNX",
                    "nasface export --weights train/best.safetensors --out detector.onnx",
                ),
                ("A released detector for OpenVINO", "nasface export --to openvino --out face"),
                ("A page for the browser", "nasface export --to web --out page"),
            )
        ),
        "quantize": Guide(
            (
                (
                    "A released detector, with AP before and after",
                    "nasface quantize --data wider --out int8.onnx",
                ),
                (
                    "With photographs that have no annotations",
                    "nasface quantize --images holiday --out int8.onnx",
                ),
                (
                    "For OpenVINO",
                    "nasface quantize --data wider --out int8.xml",
                ),
            ),
            {
                "common": ("out", "weights", "data", "images", "overwrite", "json"),
                "how it is quantised": ("calibration", "samples", "reduce-range", "keep-float"),
                "how images are seen": ("longer-side",),
                "what the file gives": ("outputs",),
            },
        ),
        "benchmark": Guide(
            (
                ("Two released detectors", "nasface benchmark asfd-nano asfd-small"),
                (
                    "What was exported",
                    "nasface benchmark face.onnx face/detector.xml --size 320x320",
                ),
                ("With a figure", "nasface benchmark asfd-nano nano.onnx --figure bars.png"),
            )
        ),
        "serve": Guide(
            (
                ("Show a page of export --to web", "nasface serve page"),
                ("At another port", "nasface serve page --port 9000"),
                ("To the whole network", "nasface serve page --host 0.0.0.0"),
            )
        ),
        "draw": Guide(
            (
                ("The cells of a genotype", "nasface draw asfd-ref --out cells.svg"),
                ("A detector: backbone, neck and heads", "nasface draw retinaface-r50"),
                (
                    "How the choices of a search moved, and how sure each is",
                    "nasface draw search --probabilities cells.svg --frames cells.gif",
                ),
            )
        ),
        "cost": Guide(
            (
                ("A model by its name", "nasface cost d0"),
                ("The whole family beside the paper's table", "nasface cost family"),
                ("Weights, at another size", "nasface cost train/best.safetensors --size 320x240"),
            ),
            {
                "common": ("size", "genotype", "config", "json"),
                "the detector": ("backbone", "levels", "channels", "neck", "repeats", "head"),
            },
        ),
        "latency": Guide(
            (
                ("Measure this machine", "nasface latency measure --out table.yaml"),
                (
                    "What a detector takes by the table",
                    "nasface cost search/genotype.yaml --latency table.yaml",
                ),
                (
                    "For another image size",
                    "nasface latency measure --size 320x240 --out small.yaml",
                ),
            )
        ),
        "latency measure": Guide(
            (
                ("The default space on this machine", "nasface latency measure --out table.yaml"),
                (
                    "For another image size",
                    "nasface latency measure --size 320 240 --out small.yaml",
                ),
                (
                    "What a detector takes by the table",
                    "nasface cost search/genotype.yaml --latency table.yaml",
                ),
            ),
            {
                "common": ("out", "config", "json"),
                "what is measured, and how": (
                    "space",
                    "parameters",
                    "size",
                    "engine",
                    "threads",
                    "rounds",
                    "calibrate",
                    "check",
                ),
                "the detector": ("detector.backbone", "detector.channels"),
            },
        ),
        "completion": Guide(
            (
                (
                    "bash",
                    "nasface completion bash > ~/.local/share/bash-completion/completions/nasface",
                ),
                ("zsh, in .zshrc", "source <(nasface completion zsh)"),
                ("fish", "nasface completion fish > ~/.config/fish/completions/nasface.fish"),
            )
        ),
    }
)
"""Words of a command -> its guide."""


def guide_of(words: str) -> Guide:
    """Return the guide of a command; that of its verb where an action or protocol has none."""
    return GUIDES.get(words) or GUIDES.get(words.split()[0]) or Guide(())
