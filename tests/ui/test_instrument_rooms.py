"""A room of the page offers the instruments that name it."""

from unet_playground.analysis import analyses
from unet_playground.registry import Chinese
from unet_playground.ui.rooms import rooms
from unet_playground.ui.rooms.instruments import InstrumentRoom


def test_every_instrument_names_a_place_that_offers_it_and_no_room_is_empty():
    offering = [entry.id for entry in rooms.entries() if issubclass(entry.make, InstrumentRoom)] + ["attribution"]
    offered = [entry.id for place in offering for entry in analyses.within(place)]
    assert sorted(offered) == sorted(analyses)
    assert all(analyses.within(place) for place in offering)


def test_an_instrument_stands_last_in_its_room_by_its_decorator_alone():
    @analyses.register("toy-look", room="skips", title="Toy", zh=Chinese("玩具", "仅供测试。"))
    def toy_look(model, image, target):
        """Looks at nothing."""

    try:
        assert analyses.within("skips")[-1].make is toy_look
    finally:
        analyses.unregister("toy-look")
