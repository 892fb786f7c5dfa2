"""Cards of detectors: the released ones', and of those of the zoo, which have no weights: what each
is, and how to train it."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from nasface.api.named import detector_as_it_is
from nasface.api.released import describe_model
from nasface.detection.config import DetectorConfig
from nasface.detection.cost import detector_cost
from nasface.detection.losses import LossConfig
from nasface.detection.matching import MatchConfig
from nasface.detection.zoo import FAMILY, MODELS, TABLE_SIZE
from nasface.detection.zoo_facts import COMMON_CHOICES, FAMILY_FACTS, PEER_FACTS, ModelFacts
from nasface.detection.zoo_peers import ModelSpec
from nasface.errors import ConfigError, one_of
from nasface.models import ReleasedModel, released_models
from nasface.nn.cost import Cost


def model_card(name: str) -> str:
    """Return the card of a released detector or of one of the zoo, as Markdown.

    Raises:
        ConfigError: for an unknown name.
    """
    released = _released(name)
    if released is not None:
        return released.card.read_text("utf-8")
    return "\n\n".join(_sections(name, MODELS[name])) + "\n"


def card_facts(name: str) -> dict[str, Any]:
    """Return what the card of a detector holds as plain values: figures and card of a released one;
    parts, sizes and settings of training of one of the zoo.

    Raises:
        ConfigError: for an unknown name.
    """
    released = _released(name)
    if released is not None:
        return {**asdict(describe_model(released)), "card": released.card.read_text("utf-8")}
    spec, facts = MODELS[name], facts_of(name)
    total = _total(name)
    height, width = TABLE_SIZE
    return {
        "name": name,
        "paper": facts.paper,
        "backbone": spec.detector.backbone,
        "strides": _strides(spec.detector),
        "neck": facts.neck,
        "heads": facts.heads,
        "also": facts.also or None,
        "width": width,
        "height": height,
        "parameters": total.parameters,
        "macs": total.macs,
        "published_parameters_m": spec.parameters,
        "published_macs_g": spec.macs,
        "published_counts_hold": facts.counted or None,
        "choices": _choices(name),
        "training": _training(spec),
        "weights": facts.weights or None,
    }


def _released(name: str) -> ReleasedModel | None:
    """Return the released detector of a name; None for one of the zoo."""
    released = released_models()
    if name not in released and name not in MODELS:
        raise ConfigError(f"model: unknown {name!r}; expected {one_of(name, [*released, *MODELS])}")
    return released.get(name)


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
    lines = [f"- {_sentence(each)}" for each in _choices(name)]
    yield "\n".join(["## What the paper leaves open, and what was chosen", "", *lines])
    yield "\n".join(["## Use", "", *_use(name, spec, facts)])


def _backbone(config: DetectorConfig) -> str:
    return f"{config.backbone}, strides {', '.join(map(str, _strides(config)))}"


def _strides(config: DetectorConfig) -> list[int]:
    return [2**level for level in config.levels]


def _choices(name: str) -> list[str]:
    choices = facts_of(name).choices
    return [choices] if name in FAMILY else [choices, COMMON_CHOICES]


def _total(name: str) -> Cost:
    found = detector_as_it_is(name)
    return detector_cost(found.config, found.genotype, *TABLE_SIZE)[0]


def _sizes(name: str, spec: ModelSpec) -> Iterator[tuple[str, str]]:
    """Yield the parameters and multiply-adds, beside the published ones."""
    total = _total(name)
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
    settings = [f"`--{key.replace('_', '-')} {value}`" for key, value in _training(spec).items()]
    if settings:
        yield from ("", f"As defaults of a training the name sets {', '.join(settings)}.")
    if facts.weights:
        yield from ("", _sentence(facts.weights))


def _training(spec: ModelSpec) -> dict[str, Any]:
    """Return the settings of a training that are not the usual ones, such as ``match.positive``."""
    return {
        f"{group}.{key}": value
        for group, config, usual in (
            ("match", spec.match, asdict(MatchConfig())),
            ("loss", spec.loss, asdict(LossConfig())),
        )
        for key, value in asdict(config).items()
        if value != usual[key]
    }


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
