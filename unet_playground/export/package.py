"""The design to take home: one PyTorch file, its weights, and what there is to know about them."""

import hashlib
import io
import json
import zipfile
from dataclasses import asdict, replace
from typing import Any

from safetensors.torch import save

from unet_playground import __version__
from unet_playground.design import LEVELWISE, SLOT_IDS, Design
from unet_playground.export.file import ModelFile, model_file
from unet_playground.model import UNet
from unet_playground.notice import NOTICE
from unet_playground.registry import catalogues
from unet_playground.weights import Card, stores

_README = """\
# {title}

{notice}

`model.py` needs {needs}{more}.

```python
{use}
```

`weights.safetensors` holds {weights}.
Its names are those of the playground, so what was trained further can be opened there again with the design below.
`card.json` says where the weights come from.

| slot | part | what it does | 作用 |
|---|---|---|---|
{parts}

Design: `{link}`

Written by U-Net Playground {version}. Code: MIT licence, (c) 2026 The U-Net Playground authors.
"""
_KINDS = {
    "shared": "weights that many designs share, trained for none of them in particular",
    "solo": "weights that were trained for this design alone",
    "untrained": "weights that are not trained",
    "own": "weights of your own",
}
_IMPORTS = "import numpy\nimport PIL.Image\nimport PIL.ImageOps\n\nfrom model import load, prepare\n\n"
_MADE_ON = (1980, 1, 1, 0, 0, 0)
"""One date for all: the same model gives the same bytes."""


def standalone(model: UNet) -> bytes:
    """A zip with the model as one readable file that needs PyTorch and safetensors alone.

    It holds `model.py`, `weights.safetensors`, `README.md`, `design.json`, `card.json` and, where the card of the
    weights names one, the licence of the data in `LICENCE-DATA.txt`. Tensors keep their names: `load_own` reads them.

    Args:
        model: As `load_model` gives it, or any other network.

    Raises:
        PlaygroundError: The source of one of its parts is not in a file.
    """
    weights = save({name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()})
    written, card = model_file(model), _card(model, weights)
    files = {
        "model.py": written.text.encode(),
        "weights.safetensors": weights,
        "README.md": _readme(model, written).encode(),
        "design.json": design_json(model.design),
        "card.json": _json(asdict(card)),
    }
    if card.data.get("licence"):
        files["LICENCE-DATA.txt"] = _licence(card).encode()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, _MADE_ON)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content, zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def design_json(design: Design) -> bytes:
    """The design as JSON text that `Design.from_json` reads."""
    return _json(design.to_json())


def _card(model: UNet, weights: bytes) -> Card:
    """The card of the exported file: that of the weights, with their scores only where they are this design's own."""
    origin, design = model.origin, model.design.to_json()
    file = {"name": "weights.safetensors", "bytes": len(weights), "sha256": hashlib.sha256(weights).hexdigest()}
    if origin is None:
        return Card("", design, shared=False, files=(file,))
    taken = {"weights": origin.weights, "sha256": origin.sha256}
    found = (store.card for store in stores(origin.task) if store.card.files and store.card.sha256 == origin.sha256)
    card = next(found, Card(origin.task, design, shared=False))
    recipe, scores = {**card.recipe, "taken_from": taken}, {} if card.shared else card.metrics
    return replace(card, design=design, shared=False, files=(file,), recipe=recipe, metrics=scores, format=Card.format)


def _readme(model: UNet, written: ModelFile) -> str:
    kind = _KINDS[model.origin.weights] if model.origin else _KINDS["untrained"]
    sha256 = f" (sha256 of their files: `{model.origin.sha256}`)" if model.origin and model.origin.sha256 else ""
    return _README.format(
        title=written.text.partition("\n")[0].strip('".'),
        notice=f"{NOTICE.en}.",
        needs=", ".join(written.libraries),
        more="; `prepare` needs NumPy, and reading an image Pillow" if written.prepares else "",
        use=(_IMPORTS if written.prepares else "import torch\n\nfrom model import load\n\n") + written.use,
        weights=kind + sha256,
        parts="\n".join(_rows(model.design)),
        link=model.design.to_link(),
        version=__version__,
    )


def _rows(design: Design) -> list[str]:
    """A row for every part that the design holds."""
    rows = []
    for slot in SLOT_IDS:
        choices = design.levels(slot) if slot in LEVELWISE else (design.choice(slot),)
        for choice in dict.fromkeys(choices) if design.applies(slot) else ():
            entry = catalogues[slot][choice.id]
            rows.append(f"| {slot} | {entry.title.en} `{choice}` | {entry.summary.en} | {entry.summary.zh} |")
    return rows


def _licence(card: Card) -> str:
    lines = {"title": "Data", "licence": "Licence", "attribution": "Attribution", "paper": "Paper", "address": "Source"}
    known = [f"{title}: {card.data[key]}" for key, title in lines.items() if card.data.get(key)]
    return "\n".join(["The weights were trained on data of others.", "", *known, ""])


def _json(values: dict[str, Any]) -> bytes:
    return json.dumps(values, indent=1, ensure_ascii=False).encode()
