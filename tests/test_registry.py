"""One class and one decorator make a choice; everything else picks it up. Wrong choices are refused in words."""

import json
import time
from collections.abc import Iterator, Sequence
from typing import Annotated
from urllib.parse import quote

import pytest
from torch import Tensor

from tests.contracts.checks import check_all, check_texts
from unet_playground import Design, PlaygroundError, catalogues
from unet_playground.__main__ import main
from unet_playground.cost import cost
from unet_playground.design import SLOT_IDS
from unet_playground.errors import Text, UnknownChoice
from unet_playground.parts import Passage, Place, Skip
from unet_playground.registry import _WRITTEN, Catalogue, Chinese, Knob
from unet_playground.space import cover, neighbours
from unet_playground.taps import IGNORE, Tap


@pytest.fixture
def toy() -> Iterator[str]:
    """A skip of one class and one decorator."""

    @catalogues["skip"].register(
        "toy-damped",
        title="Damped",
        formula=r"$y = [U(d),\ e_i / n]$",
        zh=Chinese("衰减", "编码特征除以 n 后跨越。", "仅供测试：除以 n，让跨越的信号变弱。"),
        aliases=("toy-quiet",),
    )
    class Damped(Skip):
        """The encoder's features cross more quietly.

        They are divided by n before they are put beside the decoded ones.
        """

        def __init__(
            self, widths: Sequence[int], place: Place, *, n: Annotated[int, Knob("Divisor", "除数", 1, 9, odd=True)] = 3
        ):
            super().__init__(widths, place)
            self.n = n

        def cross(self, passage: Passage, decoded: Tensor, tap: Tap = IGNORE) -> Tensor:
            return passage.encoded[self.level] / self.n

    yield "toy-damped"
    if "toy-damped" in catalogues["skip"]:
        catalogues["skip"].unregister("toy-damped")


@pytest.fixture
def shelf() -> Iterator[Catalogue]:
    """A catalogue of its own."""
    catalogue: Catalogue = Catalogue("shelf", Text("Shelf", "架子"))
    yield catalogue
    del catalogues["shelf"]


def test_a_new_skip_stands_last_in_the_menu(toy: str):
    assert [entry.id for entry in catalogues["skip"].entries()][-1] == toy


def test_a_new_skip_survives_link_and_json(toy: str):
    design = Design(skip="toy-damped(n=5)")
    assert "skip=toy-damped(n%3D5)" in design.to_link()
    assert Design.from_link(design.to_link()) == design
    assert Design.from_json(design.to_json()) == design
    assert Design.from_link("skip=toy-damped(n=5)") == design


def test_a_new_skip_is_listed_by_the_command_line(toy: str, capsys: pytest.CaptureFixture[str]):
    assert main(["options", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)["skip"][-1]
    assert listed["id"] == toy
    assert listed["summary"] == "The encoder's features cross more quietly."
    assert listed["options"] == {"n": {"default": 3, "allowed": "odd numbers 1 to 9"}}


def test_a_new_skip_is_counted_by_the_command_line(toy: str, capsys: pytest.CaptureFixture[str]):
    assert main(["cost", "--skip", toy, "--json"]) == 0
    counted = json.loads(capsys.readouterr().out)
    assert counted["macs"] == cost(Design()).macs
    assert "skip=toy-damped" in counted["design"]


def test_a_new_skip_keeps_the_promises_of_its_slot(toy: str):
    check_texts(catalogues["skip"][toy])
    check_all(Design(skip=toy, depth=2, width=4))
    check_all(Design(skip=toy, depth=2, width=4, dims=3))


def test_a_new_skip_is_part_of_the_space_of_designs(toy: str):
    assert Design(skip=toy) in set(neighbours(Design()))
    for attention in catalogues["attention"]:
        held = {(design.choice("skip").id, design.choice("attention").id) for design in cover(Design())}
        assert (toy, attention) in held


def test_what_was_counted_of_a_part_is_forgotten_when_another_takes_its_id(toy: str):
    counted, skip = cost(Design(skip=toy)), catalogues["skip"][toy].make
    catalogues["skip"].unregister(toy)

    class Wider(skip):
        """The encoder's features cross by a matrix product."""

        def cross(self, passage: Passage, decoded: Tensor, tap: Tap = IGNORE) -> Tensor:
            encoded = passage.encoded[self.level]
            return (encoded.flatten(2) @ encoded.new_ones(1, encoded[0, 0].numel(), 1)).unsqueeze(-1) * encoded

    catalogues["skip"].register(toy, title="Damped", zh=Chinese("衰减", "编码特征以矩阵乘积跨越。"))(Wider)
    again = cost(Design(skip=toy))
    # Every value of every level meets one weight.
    assert again.macs - counted.macs == sum(16 * 2**level * (256 // 2**level) ** 2 for level in range(4))


def test_a_skip_that_was_taken_out_is_unknown_again(toy: str):
    Design(skip=toy)
    catalogues["skip"].unregister(toy)
    assert toy not in catalogues["skip"]
    assert "toy-quiet" not in catalogues["skip"]
    with pytest.raises(UnknownChoice, match="toy-damped"):
        Design(skip=toy)


@pytest.mark.parametrize("written", ["toy-damped", "toy-quiet", " toy-damped ( n = 3 ) ", "toy-damped()"])
def test_aliases_and_written_out_defaults_become_the_id(toy: str, written: str):
    assert Design(skip=written) == Design(skip=toy)
    assert Design(skip=written).to_link() == Design(skip=toy).to_link()


@pytest.mark.parametrize("value", ["2", "0", "11", "three", "3.5", "", "nan"])
def test_an_option_value_out_of_range_is_refused_with_what_is_allowed(toy: str, value: str):
    with pytest.raises(UnknownChoice) as refusal:
        Design(skip=f"toy-damped(n={value})")
    assert str(refusal.value) == f"toy-damped(n={value}) is not possible: n can be odd numbers 1 to 9."


def test_an_unknown_option_is_refused_with_the_known_ones(toy: str):
    with pytest.raises(UnknownChoice, match=r'toy-damped has no option "m"; options: n\.'):
        Design(skip="toy-damped(m=3)")


@pytest.mark.parametrize("slot", SLOT_IDS)
def test_an_unknown_id_is_refused_with_the_valid_ones_in_both_languages(slot: str):
    with pytest.raises(UnknownChoice) as refusal:
        Design().replace(**{slot: "no-such-part"})
    for id in catalogues[slot]:
        assert id in refusal.value.text.en
        assert id in refusal.value.text.zh
    assert catalogues[slot].title.zh in refusal.value.text.zh


@pytest.mark.parametrize("text", ["concat(", "concat)(", "con cat", "(n=3)"])
def test_a_choice_that_is_not_written_as_one_is_refused(text: str):
    with pytest.raises(PlaygroundError, match="write it like"):
        Design(skip=text)


@pytest.mark.parametrize("text", ["add(" + "," * 2000 + ")", "add" + " " * 2000, "add/" * 500 + "add"])
def test_what_is_too_long_is_refused_before_anything_is_made_of_it(text: str):
    link = f"skip={quote(text)}"
    for read in (lambda: Design(skip=text), lambda: Design.from_link(link), lambda: catalogues["skip"].parse(text)):
        with pytest.raises(UnknownChoice, match="at most 2000"):
            read()
    design, [ignored] = Design.read_link(link)
    assert design == Design() and "at most 2000" in ignored.en


def test_reading_a_choice_takes_steps_in_proportion_to_its_length():
    begun = time.perf_counter()
    for text in ("add" + " " * 10_000 + "x", "add(" + ") " * 10_000 + "x", " " * 10_000 + "("):
        assert not _WRITTEN.match(text)
    assert time.perf_counter() - begun < 1


def test_nothing_is_registered_twice(shelf: Catalogue):
    def book() -> None:
        """A book."""

    shelf.register("book", title="Book", zh=Chinese("书", "一本书。"), aliases=("tome",))(book)
    for id, aliases in (("book", ()), ("tome", ()), ("novel", ("book",)), ("novel", ("tome",))):
        with pytest.raises(ValueError, match="registered twice"):
            shelf.register(id, title="Again", zh=Chinese("又", "又一本。"), aliases=aliases)(book)
    assert list(shelf) == ["book"]
    assert shelf["tome"] is shelf["book"]


def test_a_choice_without_a_docstring_is_no_choice(shelf: Catalogue):
    with pytest.raises(ValueError, match="docstring"):
        shelf.register("blank", title="Blank", zh=Chinese("空", "空。"))(lambda: None)
    assert "blank" not in shelf


def test_the_docstring_becomes_summary_and_lesson(shelf: Catalogue):
    def book() -> None:
        """First line.

        The lesson runs
        over lines.

        Args:
            none: Technical.
        """

    shelf.register("book", title="Book", zh=Chinese("书", "一本书。"))(book)
    assert shelf["book"].summary == Text("First line.", "一本书。")
    assert shelf["book"].lesson.en == "The lesson runs over lines."
    assert shelf["book"].lesson.zh == "一本书。"


def test_what_has_no_option_may_stand_on_types_that_only_checkers_know():
    catalogue: Catalogue[type] = Catalogue("furniture", Text("Furniture", "家具"))

    class Chair:
        """A seat."""

        def __init__(self, room: "Nowhere"):  # type: ignore[name-defined]  # noqa: F821
            self.room = room

    catalogue.register("chair", title="Chair", zh=Chinese("椅子", "一个座位。"))(Chair)
    try:
        assert catalogue["chair"].options == ()
    finally:
        del catalogues["furniture"]
