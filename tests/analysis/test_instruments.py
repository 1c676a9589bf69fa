"""What every instrument owes: it leaves the model as it was, and knows what it was asked."""

import copy
import threading
from collections.abc import Mapping
from functools import cache

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.analysis.models import Failing, hooks_of, loaded
from unet_playground import Design, PlaygroundError, UNet, catalogues
from unet_playground.analysis import Target, analyses

assert analyses is catalogues["analysis"]
DESIGN = Design(depth=2, width=4, attention="cbam", skip="attention-gate", up="deformable")
PLAIN = Design(depth=2, width=4)
IMAGE = torch.rand(1, 3, 14, 11, generator=torch.Generator().manual_seed(1))
each_method = pytest.mark.parametrize("method", analyses)


@cache
def _design(method: str) -> Design:
    """One with everything that an instrument may meet; the plain one where it refuses that by name."""
    try:
        analyses[method].make(loaded(DESIGN), IMAGE, Target())
    except PlaygroundError:
        return PLAIN
    return DESIGN


def _run(method: str, model: UNet, image: Tensor, target: Target) -> Mapping[str, np.ndarray]:
    return analyses[method].make(model, image, target).arrays()


@each_method
@pytest.mark.parametrize("point", [None, (13, 10)])
def test_nothing_is_left_on_the_model(method: str, point: tuple[int, int] | None):
    model = loaded(_design(method))
    before = [(name, parameter.clone(), parameter.requires_grad) for name, parameter in model.named_parameters()]
    settings = [set(vars(module)) for module in model.modules()]
    analyses[method].make(model, IMAGE, Target(1, point))
    assert hooks_of(model) == 0
    assert [set(vars(module)) for module in model.modules()] == settings
    assert not model.training
    for name, old, asked in before:
        parameter = model.get_parameter(name)
        assert torch.equal(parameter, old)
        assert parameter.requires_grad == asked
        assert parameter.grad is None


@each_method
def test_trainable_models_stay_trainable_and_get_no_gradient(method: str):
    model = loaded(_design(method)).requires_grad_()
    analyses[method].make(model, IMAGE, Target())
    for parameter in model.parameters():
        assert parameter.requires_grad
        assert parameter.grad is None


@each_method
def test_no_hook_is_left_after_an_error_at_any_call(method: str):
    whole = Failing(_design(method), at=None)
    _run(method, whole, IMAGE, Target())
    for call in {1, 2, whole.calls} & set(range(1, whole.calls + 1)):
        model = copy.deepcopy(whole)
        model.calls, model.at = 0, call
        with pytest.raises(RuntimeError, match="injected"):
            _run(method, model, IMAGE, Target())
        assert hooks_of(model) == 0


@each_method
def test_the_image_stays_as_it_was(method: str):
    image = IMAGE.clone()
    analyses[method].make(loaded(_design(method)), image, Target())
    assert torch.equal(image, IMAGE)
    assert not image.requires_grad


@each_method
def test_the_same_question_gets_the_same_answer(method: str):
    model = loaded(_design(method))
    one, other = (_run(method, model, IMAGE, Target()) for _ in range(2))
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], other[name])


@each_method
def test_eight_threads_on_one_model_get_what_each_would_get_alone(method: str):
    model, images = loaded(_design(method)), [torch.rand(1, 3, 14, 11) for _ in range(8)]
    alone = [_run(method, model, image, Target()) for image in images]
    together: dict[int, Mapping[str, np.ndarray]] = {}

    def work(number: int) -> None:
        together[number] = _run(method, model, images[number], Target())

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, expected in enumerate(alone):
        assert together[number].keys() == expected.keys()
        for name, array in expected.items():
            np.testing.assert_array_equal(together[number][name], array)
    assert any(not np.array_equal(alone[0][name], alone[1][name]) for name in alone[0])


@each_method
@pytest.mark.parametrize(
    ("target", "words"),
    [
        (Target(2), "Class 2 does not exist; classes are 0 to 1."),
        (Target(-1), "Class -1 does not exist; classes are 0 to 1."),
        (Target(1, (14, 0)), "Pixel (row 14, column 0) is outside the image; rows are 0 to 13, columns 0 to 10."),
        (Target(1, (0, 11)), "Pixel (row 0, column 11) is outside the image; rows are 0 to 13, columns 0 to 10."),
        (Target(1, (-1, 0)), "Pixel (row -1, column 0) is outside the image; rows are 0 to 13, columns 0 to 10."),
    ],
)
def test_a_target_that_does_not_exist_is_refused_in_one_sentence(method: str, target: Target, words: str):
    with pytest.raises(PlaygroundError) as refusal:
        analyses[method].make(loaded(_design(method)), IMAGE, target)
    assert refusal.value.text.en == words
    assert refusal.value.text.zh.endswith("。")


@each_method
def test_the_arrays_are_plain_numbers_and_the_check_is_a_sentence(method: str):
    result = analyses[method].make(loaded(_design(method)), IMAGE, Target())
    for array in result.arrays().values():
        assert array.dtype == np.float32
        assert np.isfinite(array).all()
    assert result.check.en.endswith(".")
    assert result.check.zh.endswith("。")
