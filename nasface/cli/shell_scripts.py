"""The scripts by which bash, zsh and fish complete commands, options and the names they take."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Word:
    """An option of a command: its text, and the names it takes beside files; ``is_switch`` if it
    takes nothing."""

    option: str
    text: str
    names: tuple[str, ...]
    is_switch: bool


@dataclass(frozen=True)
class Completions:
    """The words that may follow another: ``verbs`` with their texts, ``first`` arguments of a verb,
    ``actions``, words that belong to the name of a command (``genotype show``), and the options of
    each command."""

    verbs: Mapping[str, str]
    first: Mapping[str, Sequence[str]]
    actions: Mapping[str, Sequence[str]]
    options: Mapping[str, Sequence[Word]]


_BASH = r"""
_nasface() {
    local word="${COMP_WORDS[COMP_CWORD]}" before="${COMP_WORDS[COMP_CWORD-1]}"
    local command="${COMP_WORDS[1]}" options="" names=""
    COMPREPLY=()
    if [ "$COMP_CWORD" -eq 1 ]; then
        COMPREPLY=($(compgen -W "@VERBS@" -- "$word"))
        return
    fi
    if [ "$COMP_CWORD" -eq 2 ]; then
        case "$command" in
@FIRST@
        esac
    else
        case "$command ${COMP_WORDS[2]}" in
@ACTIONS@
        esac
    fi
    case "$command" in
@OPTIONS@
    esac
    case "$command $before" in
@NAMES@
    esac
    case "$word" in
        -*) COMPREPLY=($(compgen -W "$options" -- "$word")); return ;;
    esac
    COMPREPLY=($(compgen -W "$names" -- "$word"))
    local IFS=$'\n'
    COMPREPLY+=($(compgen -f -- "$word"))
}
complete -o filenames -F _nasface nasface
"""

_FISH = r"""
function __nasface_command
    set -l words (commandline -opc)
    switch "$words[2..3]"
@ACTIONS@
        case '*'
            echo $words[2]
    end
end
function __nasface_is
    set -l words (commandline -opc)
    test (count $words) -ge 2; and test "$argv" = (__nasface_command)
end
function __nasface_at
    set -l words (commandline -opc)
    test (count $words) -eq $argv[1]; and test -z "$argv[2]" -o "$argv[2]" = "$words[2]"
end
"""


def bash_script(found: Completions) -> str:
    """Return the script of bash."""
    places = {
        "@VERBS@": " ".join((*found.verbs, "--help", "--version")),
        "@FIRST@": _cases({verb: ("names", names) for verb, names in found.first.items()}),
        "@ACTIONS@": _cases(
            {
                f"{verb} {action}": ("command", (f"{verb} {action}",))
                for verb, actions in found.actions.items()
                for action in actions
            }
        ),
        "@OPTIONS@": _cases(
            {
                command: ("options", tuple(each.option for each in own))
                for command, own in found.options.items()
            }
        ),
        "@NAMES@": _cases(
            {
                f"{command} {each.option}": ("names", each.names)
                for command, own in found.options.items()
                for each in own
                if each.names
            }
        ),
    }
    return _title("bash") + _filled(_BASH, places)


def zsh_script(found: Completions) -> str:
    """Return the script of zsh, which knows that of bash."""
    loaded = (
        "(( $+functions[compdef] )) || { autoload -Uz compinit && compinit -u; }\n"
        "autoload -Uz bashcompinit && bashcompinit\n"
    )
    return _title("zsh") + loaded + bash_script(found).removeprefix(_title("bash"))


def fish_script(found: Completions) -> str:
    """Return the script of fish."""
    actions = [f"{verb} {each}" for verb, names in found.actions.items() for each in names]
    cases = [f"        case {shlex.quote(each)}\n            echo {each}" for each in actions]
    script = _title("fish") + _filled(_FISH, {"@ACTIONS@": "\n".join(cases)})
    return script + "\n".join(_fish_lines(found)) + "\n"


def _fish_lines(found: Completions) -> Iterator[str]:
    for verb, text in found.verbs.items():
        yield f"complete -c nasface -n '__nasface_at 1' -f -a {verb} -d {_quoted(text)}"
    for verb, names in found.first.items():
        yield f"complete -c nasface -n '__nasface_at 2 {verb}' -a {_quoted(' '.join(names))}"
    for command, own in found.options.items():
        for each in own:
            takes = "" if each.is_switch else " -r"
            names = f" -a {_quoted(' '.join(each.names))}" if each.names else ""
            yield (
                f"complete -c nasface -n '__nasface_is {command}' -l "
                f"{each.option.removeprefix('--')}{takes}{names} -d {_quoted(each.text)}"
            )


def _cases(found: Mapping[str, tuple[str, Sequence[str]]]) -> str:
    return "\n".join(
        f'        "{word}") {variable}="{" ".join(values)}" ;;'
        for word, (variable, values) in found.items()
    )


def _filled(template: str, places: Mapping[str, str]) -> str:
    for place, text in places.items():
        template = template.replace(place, text)
    return template.lstrip("\n")


def _title(shell: str) -> str:
    return f"# completion of nasface, written by `nasface completion {shell}`\n"


def _quoted(text: str) -> str:
    """Return the text in single quotes, as fish reads it."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
