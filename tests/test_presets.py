"""Named designs: permanent, distinct, in two languages, and counted to the last parameter beside their papers.

The counts of the authors' networks are written out here layer by layer, as their papers and released code list them,
without a line of this package. Every item of the difference to ours has its own closed form as well.
"""

import re

import pytest
import torch

from unet_playground import Design, UNet
from unet_playground.errors import UnknownChoice
from unet_playground.presets import Comparison, compare, own_parameters, preset_of, presets
from unet_playground.registry import Entry

CJK = re.compile(r"[\u4e00-\u9fff]")
FIRST_IDS = (
    "classic",
    "attention-unet",
    "se-unet",
    "cbam-unet",
    "additive-unet",
    "dense-skip",
    "pixel-shuffle-light",
    "deformable-coarse",
)
PROMISED = (
    *FIRST_IDS,
    "classic-width-64",
    "unet-plus-plus",
    "unet-3-plus",
    "eca-unet",
    "scse-unet",
    "fpn",
    "cross-stage",
    "resunet",
    "full-res-plain",
    "full-res-dilated",
    "full-res-multi-scale",
    "full-res-spatial",
    "deformable-unet",
)
each_preset = pytest.mark.parametrize("entry", presets.entries(), ids=lambda entry: entry.id)


def test_ids_are_permanent_and_the_classic_stands_first():
    assert set(PROMISED) <= set(presets)
    assert len(presets) >= 18
    assert next(iter(presets)) == "classic"
    assert presets["classic"].make() == presets["unet-2015"].make() == Design()
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", id) for id in presets)


def test_presets_are_pairwise_different():
    assert len({entry.make() for entry in presets.entries()}) == len(presets)


@each_preset
def test_a_preset_is_found_again_from_its_link_and_json(entry: Entry):
    design = entry.make()
    assert preset_of(design) == entry.id
    assert preset_of(Design.from_link(design.to_link())) == entry.id
    assert preset_of(Design.from_json(design.to_json())) == entry.id


def test_a_design_without_a_name_is_no_preset():
    assert preset_of(Design(depth=2)) is None


@each_preset
def test_a_preset_runs(entry: Entry):
    network = UNet(entry.make()).eval()
    with torch.inference_mode():
        logits = network(torch.rand(1, 3, 17, 19))
    assert logits.shape == (1, 2, 17, 19)
    assert logits.isfinite().all()


@each_preset
def test_presets_have_the_size_and_the_options_that_are_trained(entry: Entry):
    design = entry.make()
    assert (design.depth, design.width, design.dims) == (4, 64 if entry.id.endswith("-width-64") else 16, 2)
    choices = [choice for slot in ("down", "block", "skip", "attention", "up") for choice in design.levels(slot)]
    # The paper's scalar, and the 1x1 convolution that makes the light network light.
    unusual = {"additive-unet": "add(scalar=true)", "pixel-shuffle-light": "pixel-shuffle(kernel=1)"}
    assert {str(choice) for choice in choices if choice.options} == {unusual[id] for id in unusual if id == entry.id}


@each_preset
def test_every_preset_speaks_both_languages(entry: Entry):
    assert entry.title.en and entry.title.zh
    for text in (entry.summary, entry.lesson):
        assert text.en.endswith(".") and not CJK.search(text.en)
        assert text.zh.endswith("。") and CJK.search(text.zh)
    assert entry.lesson.zh != entry.summary.zh


@each_preset
def test_every_preset_has_a_paper_with_a_source(entry: Entry):
    paper = entry.paper
    assert paper is not None
    assert paper.authors and paper.title
    arxiv = re.fullmatch(r"arXiv:(\d\d)\d\d\.\d{4,5}", paper.source)
    assert arxiv or re.fullmatch(r"doi:10\.\d{4,}/\S+", paper.source)
    # A paper can appear in print after its preprint, not before.
    assert not arxiv or 2000 + int(arxiv[1]) <= paper.year


def _conv(channels: int, filters: int, kernel: int = 9, bias: int = 1) -> int:
    """Parameters of a convolution by the number of its taps, with `bias` further numbers per filter."""
    return kernel * channels * filters + bias * filters


def _twice(channels: int, filters: int, kernel: int = 9, bias: int = 1) -> int:
    return _conv(channels, filters, kernel, bias) + _conv(filters, filters, kernel, bias)


def _encoder(channels: int, widths: list[int], kernel: int = 9, bias: int = 1) -> int:
    return sum(_twice(a, b, kernel, bias) for a, b in zip([channels, *widths], widths, strict=False))


def _doubled(width: int, levels: int = 5) -> list[int]:
    return [width * 2**level for level in range(levels)]


def _keras_unet(width: int, classes: int) -> int:
    """Zhou et al., helper_functions.py, U_Net (width 32); Ronneberger et al., Figure 1 (width 64)."""
    w = _doubled(width)
    decoder = sum(_conv(w[i + 1], w[i], 4) + _twice(2 * w[i], w[i]) for i in range(4))
    return _encoder(1, w) + decoder + _conv(w[0], classes, 1)


def _keras_unet_plus_plus() -> int:
    """Zhou et al., helper_functions.py, UNetPlusPlus: column j of level i joins j + 1 maps of that level's width."""
    w = _doubled(32)
    nodes = [(i, j) for j in range(1, 5) for i in range(5 - j)]
    grown = sum(_conv(w[i + 1], w[i], 4) + _twice((j + 1) * w[i], w[i]) for i, j in nodes)
    return _encoder(1, w) + grown + _conv(w[0], 1, 1)


BATCH_NORM = 3
"""Numbers per filter of a convolution with a bias and batch norm: the bias, a scale and a shift."""


def _pytorch_unet_3_plus() -> int:
    """Huang et al., UNet_3Plus, class UNet: every decoder stage has five 64-channel branches and one convolution."""
    w = _doubled(64)
    total = _encoder(3, w, bias=BATCH_NORM)
    for i in range(4):
        finer = w[: i + 1]
        coarser = [320] * (3 - i) + [1024]
        total += sum(_conv(channels, 64, bias=BATCH_NORM) for channels in (*finer, *coarser))
        total += _conv(320, 320, bias=BATCH_NORM)
    return total + _conv(320, 1)


def _attention_block(width: int, gating: int) -> int:
    """Oktay et al., MultiAttentionBlock: two GridAttentionBlock3D and the convolution that combines them."""
    output = _conv(width, width, 1, BATCH_NORM)
    theta, phi, psi = _conv(width, width, 8, 0), _conv(gating, width, 1), _conv(width, 1, 1)
    return 2 * (output + theta + phi + psi) + _conv(2 * width, width, 1, BATCH_NORM)


def _pytorch_attention_unet() -> int:
    """Oktay et al., unet_CT_multi_att_dsv_3D with config_unet_ct_multi_att_dsv.json: feature_scale 4, 1 to 4."""
    w, classes = _doubled(16), 4
    decoder = sum(_twice(w[i] + w[i + 1], w[i], 27, BATCH_NORM) for i in range(4))
    gates = _conv(w[4], w[4], 1, BATCH_NORM) + sum(_attention_block(w[i], w[i + 1]) for i in (1, 2, 3))
    heads = sum(_conv(w[i], classes, 1) for i in range(4)) + _conv(4 * classes, classes, 1)
    return _encoder(1, w, 27, BATCH_NORM) + gates + decoder + heads


def _listed_resunet() -> int:
    """Zhang et al., Table I: fifteen convolutions, the last of them 1x1."""
    w = _doubled(64, 4)
    return _encoder(3, w) + sum(_twice(3 * width, width) for width in w[:3]) + _conv(w[0], 1, 1)


AUTHORS = {
    "classic": (7_759_521, _keras_unet(32, classes=1)),
    "classic-width-64": (31_030_658, _keras_unet(64, classes=2)),
    "attention-unet": (6_473_322, _pytorch_attention_unet()),
    "unet-plus-plus": (9_041_601, _keras_unet_plus_plus()),
    "unet-3-plus": (26_971_777, _pytorch_unet_3_plus()),
    "resunet": (7_782_913, _listed_resunet()),
}


def _attention_items() -> list[int]:
    w = _doubled(16)
    fine, coarser = w[:4], w[1:]
    return [
        -2 * 2 * (sum(w) + sum(fine)),
        sum(_conv(a, b, 27) for a, b in zip(coarser, fine, strict=True)),
        -27 * sum(b * b for b in fine),
        -_conv(w[4], w[4], 1, BATCH_NORM),
        -sum(_attention_block(w[i], w[i + 1]) for i in (1, 2, 3)),
        sum(_conv(b, b // 2, 1, 0) + _conv(b, b // 2, 1) + _conv(b // 2, 1, 1) for b in fine),
        _conv(w[0], 4, 1) - sum(_conv(b, 4, 1) for b in fine) - _conv(16, 4, 1),
    ]


def _nested_items() -> list[int]:
    inner = [32] * 3 + [64] * 2 + [128]
    return [0, -sum(_conv(2 * b, b, 4) for b in inner), 9 * sum(b * b for b in inner)]


def _full_scale_items() -> list[int]:
    w = _doubled(64)
    fine, coarser = w[:4], w[1:]
    theirs = sum([320] * 6 + [1024] * 4)
    ours = sum(fine) + sum(w[k] for i in range(4) for k in range(i + 2, 5))
    return [
        -2 * (2 * sum(w) + 20 * 64),
        sum(_conv(a, b) for a, b in zip(coarser, fine, strict=True)),
        9 * 64 * (ours - theirs),
        sum(_twice(320, b) for b in fine) - 4 * _conv(320, 320, bias=BATCH_NORM),
        _conv(64, 1, 1) - _conv(320, 1),
    ]


def _residual_items() -> list[int]:
    w = _doubled(64, 4)
    fine, coarser = w[:3], w[1:]
    return [
        0,
        sum(_conv(b, b) for b in fine),
        sum(_conv(a, b) for a, b in zip(coarser, fine, strict=True)),
        -9 * sum(b * b for b in fine),
        sum(a * b for a, b in zip([3, *fine], w, strict=True)) + sum(2 * b * b for b in fine),
    ]


ITEMS = {
    "classic": [0],
    "classic-width-64": [0],
    "attention-unet": _attention_items(),
    "unet-plus-plus": _nested_items(),
    "unet-3-plus": _full_scale_items(),
    "resunet": _residual_items(),
}
each_count = pytest.mark.parametrize("id", AUTHORS)


def _compared(id: str) -> Comparison:
    comparison = compare(id)
    assert comparison is not None
    return comparison


@each_count
def test_the_authors_count_is_that_of_their_layers(id: str):
    stated, counted = AUTHORS[id]
    assert _compared(id).published.parameters == stated == counted


@each_count
def test_every_parameter_of_the_difference_is_explained(id: str):
    comparison = _compared(id)
    items = [item.parameters for item in comparison.published.differences]
    assert items == ITEMS[id]
    assert comparison.difference == comparison.parameters - comparison.published.parameters == sum(items)


@each_count
def test_our_count_is_that_of_the_built_network_at_the_authors_sizes(id: str):
    comparison, preset = _compared(id), presets[id].make()
    count = comparison.published
    assert comparison.design == preset.replace(width=count.width, depth=count.depth, dims=count.dims)
    assert comparison.parameters == own_parameters(comparison.design, count.in_channels, count.classes)


def test_counting_without_weights_counts_the_weights():
    built = UNet(Design(skip="nested"), 1, 3)
    assert own_parameters(built.design, 1, 3) == sum(parameter.numel() for parameter in built.parameters())


def test_the_residual_networks_stated_size_holds_no_projections():
    projections = sum(a * b for a, b in ((3, 64), (64, 128), (128, 256), (256, 512)))
    projections += sum(3 * b * b for b in (64, 128, 256))
    assert round(_listed_resunet() / 1e6, 1) == 7.8
    assert round((_listed_resunet() + projections) / 1e6, 1) == 8.2


def test_the_released_2015_network_keeps_128_channels_in_its_last_up_convolution():
    more = _conv(128, 128, 4) - _conv(128, 64, 4) + 9 * 64 * 64
    assert _keras_unet(64, classes=2) + more == 31_100_354
    assert "31,100,354" in _compared("classic-width-64").published.source.en


@each_count
def test_a_comparison_says_both_counts_and_every_item_in_both_languages(id: str):
    comparison = _compared(id)
    numbers = [comparison.published.parameters, comparison.parameters]
    numbers += [item.parameters for item in comparison.published.differences]
    for text in (comparison.summary.en, comparison.summary.zh):
        assert all(f"{number:,}" in text for number in numbers)
    for item in comparison.published.differences:
        assert item.why.en in comparison.why.en and not CJK.search(item.why.en)
        assert item.why.zh in comparison.why.zh and CJK.search(item.why.zh)
    assert comparison.summary.zh.endswith("。") and not CJK.search(comparison.summary.en)


def test_other_presets_have_no_count_of_their_authors():
    assert [id for id in presets if compare(id)] == [id for id in presets if id in AUTHORS]
    assert compare("unet-2015") == compare("classic")
    with pytest.raises(UnknownChoice):
        compare("unknown")
