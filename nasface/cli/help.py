"""The help of a command: what it does, examples, and its options in groups."""

import inspect
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from nasface.cli.guide import Guide
from nasface.cli.guides import guide_of
from nasface.cli.option_list import Option, options

HELP, HELP_ALL = ("-h", "--help"), "--help-all"
_WIDTH, _INDENT = 90, 26
_NO_DEFAULT = ("", "none", "no")


def help_text(command: type[Any], words: str, default: object = None, *, full: bool) -> str:
    """Return the help of the command of a dataclass, whose words are such as ``evaluate fddb``.

    In short (``full`` is false) it has the groups of the command's guide, a sentence for each
    option, and names the rest. ``default`` holds defaults that are not the dataclass's own.
    """
    found = list(options(command, base=default))
    guide = guide_of(words)
    positionals = [each for each in found if each.is_positional]
    usage = " ".join(["usage: nasface", words, *(each.word for each in positionals), "[options]"])
    lines = [usage, "", *_paragraphs(inspect.getdoc(command) or "")]
    lines += _examples(guide)
    if positionals:
        lines += ["", "arguments:", *_rows(positionals, whole=True)]
    rest = [each for each in found if not each.is_positional]
    if full or not guide.groups:
        lines += _in_full(rest)
    else:
        lines += _in_short(rest, guide, words)
    if guide.notes:
        lines += ["", guide.notes]
    return "\n".join(lines)


def actions_text(verb: str, actions: Mapping[str, type[Any]]) -> str:
    """Return the help of a verb that has ``actions``, each with the dataclass of its options."""
    lines = [f"usage: nasface {verb} {'ACTION' if len(actions) > 1 else next(iter(actions))}"]
    lines[0] += " [options]"
    lines += _examples(guide_of(verb))
    lines += ["", "actions:"]
    for name, command in actions.items():
        lines += _row(name, _first_sentence(" ".join((inspect.getdoc(command) or "").split())))
    lines += ["", f"`nasface {verb} ACTION --help` explains the options of an action."]
    return "\n".join(lines)


def _in_full(found: Sequence[Option]) -> Iterator[str]:
    for group in dict.fromkeys(each.group for each in sorted(found, key=lambda o: o.group != "")):
        own = [each for each in found if each.group == group]
        title = f"{group}: {own[0].section}" if group else "options:"
        yield from ("", title.rstrip(), *_rows(own, whole=True))
    yield from _always()


def _in_short(found: Sequence[Option], guide: Guide, words: str) -> Iterator[str]:
    by_name = {each.name: each for each in found}
    for title, names in guide.groups.items():
        own = [by_name.pop(name) for name in names if name in by_name]
        if own:
            yield from ("", f"{title}:", *_rows(own, whole=False))
    yield from _always()
    left = [each.name for each in by_name.values() if not each.group]
    left += [
        f"{group}.*" for group in dict.fromkeys(each.group for each in by_name.values()) if group
    ]
    if left:
        yield ""
        text = f"more, explained by nasface {words} --help-all: {', '.join(left)}"
        yield from textwrap.wrap(text, _WIDTH, break_on_hyphens=False)


def _always() -> Iterator[str]:
    yield from (
        "",
        "every command:",
        *_row("-h, --help, --help-all", "This help; all options in full."),
        *_row("-q, --quiet", "No progress: results, warnings and errors only."),
        *_row("-v, --verbose", "A line of progress a second, the whole story of an error."),
    )


def _paragraphs(text: str) -> Iterator[str]:
    for at, paragraph in enumerate(text.split("\n\n")):
        if at:
            yield ""
        yield from textwrap.wrap(" ".join(paragraph.split()), _WIDTH, break_on_hyphens=False)


def _examples(guide: Guide) -> Iterator[str]:
    if guide.examples:
        yield from ("", "examples:")
    for what, line in guide.examples:
        yield f"  # {what}"
        yield from textwrap.wrap(
            line, _WIDTH - 6, initial_indent="  ", subsequent_indent="      ",
            break_on_hyphens=False, break_long_words=False,
        )  # fmt: skip


def _rows(found: Sequence[Option], *, whole: bool) -> Iterator[str]:
    for each in found:
        left = each.word if each.is_positional else f"{', '.join(each.words)} {each.value}".rstrip()
        text = each.text if whole else _first_sentence(each.text)
        if not each.default and not each.is_positional:
            text += " (required)"
        elif each.default not in _NO_DEFAULT:
            text += f" (default: {each.default})"
        yield from _row(left, text)


def _row(left: str, text: str) -> Iterator[str]:
    indent = " " * _INDENT
    lines = textwrap.wrap(
        text, _WIDTH, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False
    ) or [""]
    if len(left) + 4 > _INDENT:
        yield f"  {left}"
    else:
        lines[0] = f"  {left}".ljust(_INDENT) + lines[0][_INDENT:]
    yield from lines


def _first_sentence(text: str) -> str:
    """Return the first sentence, semicolons included."""
    end = text.find(". ")
    return text if end < 0 else text[: end + 1]
