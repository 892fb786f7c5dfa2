"""Training photographs and their faces in few, small files, for a machine without the data set.

    python scripts/gpu/pack.py --data DIR --out PACKS [--shares 0.45 0.55] [--quality 75]

Each pack is ``N.bin``, photographs as WebP one behind the other, and ``N.json``: of each its name,
where it lies, its size and its faces. Photographs are dealt at random, so that each pack is a fair
sample. Native resolution; at quality 75 1798 photographs of WIDER FACE take 103 MiB.
"""

import argparse
import io
import json
import random
from pathlib import Path

from PIL import Image

from nasface.data.records import ImageRecord
from nasface.data.widerface import read_wider_split


def encode(record: ImageRecord, quality: int) -> tuple[bytes, dict[str, object]]:
    """A photograph as WebP, and what the index says of it."""
    with Image.open(record.path) as image:
        rgb = image.convert("RGB")
    file = io.BytesIO()
    rgb.save(file, "WEBP", quality=quality, method=4)
    about = {
        "name": record.name,
        "bytes": file.tell(),
        "size": rgb.size,
        "boxes": record.boxes_M4.tolist(),
        "ignore": (~record.valid_M).tolist(),
    }
    return file.getvalue(), about


def main() -> None:
    """Write the packs."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="WIDER FACE layout")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--shares", type=float, nargs="+", default=[0.45, 0.55])
    parser.add_argument("--quality", type=int, default=75)
    parser.add_argument("--limit", type=int, help="take only so many photographs")
    options = parser.parse_args()
    records = read_wider_split(options.data, "train")
    random.Random(0).shuffle(records)
    records = records[: options.limit]
    first = 0
    for number, share in enumerate(options.shares):
        last = number + 1 == len(options.shares)
        end = len(records) if last else first + round(share * len(records))
        folder = options.out / f"pack_{number}"
        folder.mkdir(parents=True, exist_ok=True)
        index = []
        with (folder / "photographs.bin").open("wb") as file:
            for record in records[first:end]:
                data, about = encode(record, options.quality)
                file.write(data)
                index.append(about)
        (folder / "index.json").write_text(json.dumps(index))
        size = sum(path.stat().st_size for path in folder.iterdir()) / 2**20
        print(f"{folder}: {end - first} photographs, {size:.1f} MiB", flush=True)
        first = end


if __name__ == "__main__":
    main()
