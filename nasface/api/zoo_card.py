"""Cards of the detectors of the zoo, which have no weights: what each is, and how to train it."""

from collections.abc import Iterator
from dataclasses import asdict

from nasface.api.named import as_named_detector
from nasface.detection.config import DetectorConfig
from nasface.detection.cost import detector_cost
from nasface.detection.losses import LossConfig
from nasface.detection.matching import MatchConfig
from nasface.detection.zoo import FAMILY, MODELS, TABLE_SIZE
from nasface.detection.zoo_facts import COMMON_CHOICES, FAMILY_FACTS, PEER_FACTS, ModelFacts
from nasface.detection.zoo_peers import ModelSpec
from nasface.errors import ConfigError, one_of
from nasface.models import released_models


def model_card(name: str) -> str:
    """Return the card of a released detector or of one of the zoo, as Markdown.

    Raises:
        ConfigError: for an unknown name.
    """
    released = released_models()
    if name in released:
        return released[name].card.read_text("utf-8")
    if name not in MODELS:
        raise ConfigError(f"model: unknown {name!r}; expected {one_of(name, [*released, *MODELS])}")
    return "\n\n".join(_sections(name, MODELS[name])) + "\n"


def facts_of(name: str) -> ModelFacts:
    """Return what is known of a detector of the zoo."""
    if name in FAMILY:
        return FAMILY_FACTS
    return next(each for each in PEER_FACTS.values() if name in each.models)


def _sections(name: str, spec: ModelSpec) -> Iterator[str]:
    facts = facts_of(name)
    yield f"# {name}"
    yield facts.paper
    parts = {"neck": facts.neck, "heads": facts.heads, "also": facts.also}
    rows = [("backbone", _backbone(spec.detector)), *parts.items(), *_sizes(name, spec)]
    table = [f"| {part} | {text} |" for part, text in rows if text]
    yield "\n".join(["## Architecture", "", "| | |", "| --- | --- |", *table])
    open_points = [facts.choices] if name in FAMILY else [facts.choices, COMMON_CHOICES]
    lines = [f"- {_sentence(each)}" for each in open_points]
    yield "\n".join(["## What the paper leaves open, and what was chosen", "", *lines])
    yield "\n".join(["## Use", "", *_use(name, spec, facts)])


def _backbone(config: DetectorConfig) -> str:
    return f"{config.backbone}, strides {', '.join(str(2**level) for level in config.levels)}"


def _sizes(name: str, spec: ModelSpec) -> Iterator[tuple[str, str]]:
    """Parameters and multiply-adds, beside the published ones."""
    found = as_named_detector(name)
    total = detector_cost(found.config, found.genotype, *TABLE_SIZE)[0]
    height, width = TABLE_SIZE
    for what, counted, published, unit in (
        ("parameters", total.parameters / 1e6, spec.parameters, "M"),
        (f"multiply-adds at {width} x {height}", total.macs / 1e9, spec.macs, "G"),
    ):
        beside = f"published {published:g} {unit}" if published else "none are published"
        yield what, f"{counted:.3f} {unit}; {beside}"
    if facts_of(name).counted:
        yield "published counts hold", facts_of(name).counted


def _use(name: str, spec: ModelSpec, facts: ModelFacts) -> Iterator[str]:
    yield "nasface has no weights of it. To train it on your images, and to draw its parts:"
    yield from ("", f"    nasface train --model {name} --data DIR --out RUN")
    yield f"    nasface draw {name}"
    settings = _changed("match", spec.match, MatchConfig()) + _changed(
        "loss", spec.loss, LossConfig()
    )
    if settings:
        yield from ("", f"As defaults of a training the name sets {', '.join(settings)}.")
    if facts.weights:
        yield from ("", _sentence(facts.weights))


def _changed(
    group: str, config: MatchConfig | LossConfig, usual: MatchConfig | LossConfig
) -> list[str]:
    """Settings that are not the usual ones, as options have them."""
    before = asdict(usual)
    return [
        f"`--{group}.{key.replace('_', '-')} {value}`"
        for key, value in asdict(config).items()
        if value != before[key]
    ]


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
