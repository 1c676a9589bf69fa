"""Nested skips against the paper's table of nodes."""

import re

import pytest
import torch
from torch import Tensor

from tests.parts.explicit import (
    STAMP,
    State,
    assert_equal,
    both,
    build,
    convolve,
    copy_weights,
    enlarge,
    plain_block,
    pool,
    random_image,
    shapes_of,
)
from unet_playground import Design


def _table(state: State, image: Tensor, depth: int, columns: int) -> dict[tuple[int, int], Tensor]:
    """Every node x(i, j) of UNet++ with max-pooling and stamps of side 2, computed one column after the other."""
    x: dict[tuple[int, int], Tensor] = {}
    for i in range(depth + 1):
        source = {"encoded": pool(x[i - 1, 0], 1)} if i else {"image": image}
        x[i, 0] = plain_block(state, f"encoder.{i}.block.plain", source)
    for j in range(1, depth + 1):
        for i in range(depth - j + 1):
            sides = x[i, 0].shape[2:]
            row = {k: x[i, k] for k in range(j) if (i, k) in x}
            if i + j == depth:
                up, stamp = f"decoder.{i}.up.transposed.convolution", STAMP[image.dim() - 2]
                whole = stamp(x[i + 1, j - 1], state[f"{up}.weight"], state[f"{up}.bias"], stride=2)
                decoded = whole[(..., *(slice(side) for side in sides))]
                named = {f"nested-{k}" if k else "concat": one for k, one in row.items()}
                x[i, j] = plain_block(state, f"decoder.{i}.block.plain", {"decoded": decoded, **named})
            elif j < columns:
                named = {f"column-{k}": one for k, one in row.items()}
                coarser = enlarge(x[i + 1, j - 1], 1, sides)
                x[i, j] = plain_block(state, f"decoder.{i}.skip.nested.nodes.{j - 1}", {**named, "coarser": coarser})
    return x


# What all styles stand on.


@both
@pytest.mark.parametrize(("skip", "depth"), [("nested(columns=1)", 4), ("nested", 1), ("nested(supervision=true)", 1)])
def test_nested_with_one_column_is_the_unet_of_that_depth(skip: str, depth: int, dims: int):
    nested, joined = build(skip, depth, dims), build("concat", depth, dims)
    assert set(nested.state_dict()) == set(joined.state_dict())
    copy_weights(nested, joined)
    image = random_image(dims)
    assert torch.equal(nested(image), joined(image))


@both
@pytest.mark.parametrize(("depth", "columns"), [(3, 3), (3, 2), (4, 4), (4, 2), (2, 2)])
def test_nested_follows_the_table_of_its_nodes(depth: int, columns: int, dims: int):
    network, image = build(f"nested(columns={columns})", depth, dims), random_image(dims)
    state, trace = network.state_dict(), network.trace(image)
    x = _table(state, image, depth, columns)
    inner = {(i, j) for i, j in x if 0 < j < depth - i}
    assert {name for name in trace.features if "column" in name} == {f"nested.{i}.column-{j}" for i, j in inner}
    for i, j in inner:
        assert_equal(trace.features[f"nested.{i}.column-{j}"], x[i, j])
    assert_equal(trace.logits, convolve(x[0, depth], state, "head."))


@pytest.mark.parametrize("columns", [1, 2, 3, 4])
def test_a_limit_on_columns_leaves_exactly_the_nodes_of_the_first_columns(columns: int):
    depth, widths = 4, Design(depth=4).widths
    weights = {
        f"decoder.{i}.skip.nested.nodes.{j - 1}.first.weight.{source}": channels
        for j in range(1, columns)
        for i in range(depth - j)
        for source, channels in {**{f"column-{k}": widths[i] for k in range(j)}, "coarser": widths[i + 1]}.items()
    }
    shapes = shapes_of(Design(skip=f"nested(columns={columns})", depth=depth))
    found = {name: shape[1] for name, shape in shapes.items() if ".nodes." in name and ".first.weight." in name}
    assert found == weights
    seen = {
        f"decoder.{i}.block.plain.first.weight.nested-{j}": widths[i]
        for j in range(1, columns)
        for i in range(depth - j)
    }
    assert {name: shape[1] for name, shape in shapes.items() if re.search(r"\.nested-\d+$", name)} == seen


@pytest.mark.parametrize("skip", ["nested", "nested(columns=2)", "nested(columns=1)", "nested(supervision=true)"])
def test_the_last_column_shares_every_tensor_with_concatenation(skip: str):
    nested, joined = shapes_of(Design(skip=skip)), shapes_of(Design())
    of_decoder = [name for name in joined if re.search(r"^decoder\.\d\.block.*first\.weight\.(decoded|concat)$", name)]
    assert len(of_decoder) == 8
    assert {name: nested[name] for name in joined} == joined


@both
@pytest.mark.parametrize(("options", "columns"), [("supervision=true", 4), ("columns=2,supervision=true", 2)])
def test_deep_supervision_is_the_mean_of_a_head_per_column(options: str, columns: int, dims: int):
    network, image = build(f"nested({options})", 4, dims), random_image(dims)
    state, trace = network.state_dict(), network.trace(image)
    x = _table(state, image, 4, columns)
    heads = [convolve(x[0, j], state, f"decoder.0.skip.nested.heads.{j - 1}.") for j in range(1, columns)]
    outputs = [*heads, convolve(x[0, 4], state, "head.")]
    told = {name: one for name, one in trace.features.items() if name.startswith("output.")}
    assert list(told) == [f"output.{j}" for j in range(1, columns + 1)]
    for actual, expected in zip(told.values(), outputs, strict=True):
        assert_equal(actual, expected)
    assert_equal(trace.logits, torch.stack(outputs).mean(0))
    assert len([name for name in state if ".heads." in name]) == 2 * (columns - 1)


@pytest.mark.parametrize(
    ("written", "depth", "canonical"),
    [
        ("nested(columns=4)", 4, "nested"),
        ("nested(columns=5)", 4, "nested"),
        ("nested(columns=3)", 4, "nested(columns=3)"),
        ("nested(columns=4,supervision=true)", 4, "nested(supervision=true)"),
        ("nested(columns=2,supervision=true)", 4, "nested(columns=2,supervision=true)"),
        ("nested(columns=1,supervision=true)", 4, "nested(columns=1)"),
        ("nested(columns=1,supervision=true)", 1, "nested"),
        ("nested(supervision=true)", 1, "nested"),
        ("nested(supervision=true)", 6, "nested(supervision=true)"),
    ],
)
def test_equal_nested_networks_are_equal_designs(written: str, depth: int, canonical: str):
    design = Design(skip=written, depth=depth, width=4)
    assert design.skip == canonical
    assert design == Design(skip=canonical, depth=depth, width=4)
