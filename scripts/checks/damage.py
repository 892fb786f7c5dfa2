"""Ways to damage a file, drawn from a generator."""

import random
import re
from collections.abc import Sequence

NUMBERS = (
    *("0", "-1", "1", "2147483648", "18446744073709551616", "9" * 40, "9" * 5000, "1e308"),
    *("-0.0", "nan", "inf", "1e999", "0x10", "1_000", "\N{ARABIC-INDIC DIGIT THREE}"),
)
BYTES = (
    *(b"\x00", b"\xff", b"\xc3\x28", b"\r", b"\n"),
    *(b"\xe2\x80\xa8", b"\xef\xbb\xbf", b"\xed\xa0\x80"),
)
_NUMBER = re.compile(rb"-?\d+(?:\.\d+)?")


def damage_bytes(samples: Sequence[bytes], generator: random.Random) -> bytes:
    """Return one of the samples with up to four changes to its bytes."""
    data = bytearray(generator.choice(samples))
    for _ in range(generator.choice((1, 1, 1, 2, 4))):
        at, end = _span(data, generator)
        what = generator.randrange(7)
        if what == 0 and data:
            data[min(at, len(data) - 1)] ^= 1 << generator.randrange(8)
        elif what == 1 and data:
            data[min(at, len(data) - 1)] = generator.choice((0, 1, 127, 128, 255))
        elif what == 2:
            del data[at:end]
        elif what == 3:
            data[at:at] = data[at:end]
        elif what == 4:
            data[at:end] = generator.randbytes(end - at)
        elif what == 5:  # a number of four bytes that counts or points somewhere
            number = generator.choice((0, 1, 255, 2**16, 2**31 - 1, 2**31, 2**32 - 1))
            data[at : at + 4] = number.to_bytes(4, generator.choice(("little", "big")))
        elif generator.random() < 0.5:
            del data[at:]
    return bytes(data)


def damage_text(
    samples: Sequence[bytes], generator: random.Random, words: Sequence[str] = ()
) -> bytes:
    """Return one of the samples with up to four changes to its numbers, words, lines or bytes."""
    data = generator.choice(samples)
    for _ in range(generator.choice((1, 1, 1, 2, 4))):
        change = generator.choice((_number, _number, _word, _word, _lines, _nest, _splice))
        data = change(data, generator, samples, words)
    return data if generator.random() < 0.8 else damage_bytes([data], generator)


Words = Sequence[str]
Samples = Sequence[bytes]


def _span(data: bytes | bytearray, generator: random.Random) -> tuple[int, int]:
    at = generator.randrange(len(data) + 1)
    return at, min(len(data), at + int(generator.expovariate(0.1)))


def _number(data: bytes, generator: random.Random, _samples: Samples, _words: Words) -> bytes:
    """Put another number in the place of one."""
    found = list(_NUMBER.finditer(data))
    if not found:
        return data
    match = generator.choice(found)
    number = generator.choice((*NUMBERS, str(generator.randint(-5, 12)))).encode()
    return data[: match.start()] + number + data[match.end() :]


def _word(data: bytes, generator: random.Random, _samples: Samples, words: Words) -> bytes:
    """Put a word of the language, or strange bytes, in the place of a part."""
    at, end = _span(data, generator)
    word = generator.choice((*(each.encode() for each in words), *BYTES))
    return data[:at] + word + data[end if generator.random() < 0.5 else at :]


def _lines(data: bytes, generator: random.Random, _samples: Samples, _words: Words) -> bytes:
    """Remove, repeat, exchange or indent lines."""
    lines = data.split(b"\n")
    one, two = generator.randrange(len(lines)), generator.randrange(len(lines))
    what = generator.randrange(4)
    if what == 0:
        del lines[one]
    elif what == 1:
        lines[two:two] = lines[one : one + 3]
    elif what == 2:
        lines[one], lines[two] = lines[two], lines[one]
    else:
        lines[one] = b"  " + lines[one]
    return b"\n".join(lines)


def _nest(data: bytes, generator: random.Random, _samples: Samples, _words: Words) -> bytes:
    """Return something short, many times over."""
    at = generator.randrange(len(data) + 1)
    short = generator.choice((b"[", b"{a: ", b"(", b"- ", b" ", b"9", b"x", b"\n", b"-", b"1:"))
    times = generator.choice((10, 100, 3000)) if generator.random() < 0.3 else 2
    return data[:at] + short * times + data[at:]


def _splice(data: bytes, generator: random.Random, samples: Samples, _words: Words) -> bytes:
    """Return the beginning of one file and the end of another."""
    other = generator.choice(samples)
    return data[: generator.randrange(len(data) + 1)] + other[generator.randrange(len(other) + 1) :]
