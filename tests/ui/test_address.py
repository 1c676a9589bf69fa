"""What an address opens, and what it says of the parts that it cannot understand."""

from urllib.parse import parse_qsl

import pytest

from unet_playground import Design, catalogues
from unet_playground.ui.address import Address, first_example
from unet_playground.ui.bench import Bench


def test_an_empty_address_opens_the_first_example_of_the_first_task():
    address = Address.read({})
    assert address == Address("nuclei", "fluorescence", "auto", Bench())


def test_an_address_names_task_example_weights_and_design():
    address = Address.read({"task": "liver", "example": "coarse", "weights": "solo", "skip": "add", "__theme": "dark"})
    assert address == Address("liver", "coarse", "solo", Bench(Design(skip="add")))


@pytest.mark.parametrize("task", catalogues["task"])
def test_a_task_alone_opens_its_first_example(task: str):
    assert Address.read({"task": task}) == Address(task, first_example(task), "auto", Bench())


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"task": "moon"}, 'Unknown task "moon"'),
        ({"example": "disc"}, 'Unknown example "disc"'),
        ({"weights": "mine"}, 'Unknown weights "mine"; choose one of auto, shared, solo.'),
        ({"room": "cellar"}, 'Unknown room "cellar"'),
        ({"colour": "red"}, 'Unknown key "colour"'),
    ],
)
def test_what_is_unknown_is_reported_and_left_out(query: dict[str, str], words: str):
    address = Address.read({"skip": "add", **query})
    assert (address.task, address.example, address.weights) == ("nuclei", "fluorescence", "auto")
    assert address.bench == Bench(Design(skip="add"))
    (reason,) = address.ignored
    assert reason.en.startswith("Ignored in the link: ")
    assert words in reason.en
    assert reason.zh.startswith("已忽略链接中的一项：")


def test_an_example_of_another_task_is_reported_in_the_task_that_was_named():
    address = Address.read({"task": "vessels", "example": "stained"})
    assert (address.task, address.example) == ("vessels", "disc")
    assert "disc, fine, whole" in address.ignored[0].en


def test_an_address_names_the_room_that_is_open():
    assert Address.read({"room": "atlas"}) == Address("nuclei", "fluorescence", "auto", Bench(), room="atlas")


def test_a_comparison_is_named_whole_and_its_second_design_is_edited():
    bench = Bench(Design(skip="add"), Design(skip="dense", up="carafe"), "B")
    address = Address.read(dict(parse_qsl(bench.to_link())))
    assert address.bench == bench
    assert address.ignored == ()


def test_what_is_wrong_with_the_second_design_is_reported():
    address = Address.read({"b": "skip=telepathy&up=carafe"})
    assert address.bench == Bench(Design(), Design(up="carafe"), "B")
    assert 'Unknown skip "telepathy"' in address.ignored[0].en


@pytest.mark.parametrize("task", ["nuclei", "hippocampus"])
def test_a_design_for_volumes_is_opened_as_one_for_images(task: str):
    address = Address.read({"task": task, "dims": "3", "skip": "add", "b": "dims=3&skip=none"})
    assert address.bench == Bench(Design(skip="add"), Design(skip="none"), "B")
    assert all("choose dims=2" in reason.en for reason in address.ignored) and len(address.ignored) == 2
    assert Address.read({"depth": "9" * 5000}).bench == Bench()
