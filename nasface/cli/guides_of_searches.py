"""What the help of searches, comparisons and genotypes, and of what shows them, leads with."""

from collections.abc import Mapping
from types import MappingProxyType

from nasface.cli.guide import COMPUTER_OPTIONS, RUN_OPTIONS, Guide
from nasface.cli.plan_examples import MODELS_PLAN_EXAMPLE, PLAN_EXAMPLE, TUNE_EXAMPLE

SEARCH_GUIDES: Mapping[str, Guide] = MappingProxyType(
    {
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
                "common": (*RUN_OPTIONS, "estimate", "json"),
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
                "computer": COMPUTER_OPTIONS,
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
    }
)
"""Words of a command -> its guide."""
