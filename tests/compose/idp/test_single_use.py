from compose.idp.single_use import SingleUse
from tests.compose.idp.flow import Clock


def test_when_full_the_oldest_gives_way() -> None:
    kept: SingleUse[int] = SingleUse(60, 3, Clock())
    names = [kept.put(number) for number in range(5)]
    assert len(kept) == 3
    assert [kept.take(name) for name in names] == [None, None, 2, 3, 4]


def test_what_nobody_took_is_forgotten_when_its_time_is_over() -> None:
    clock = Clock()
    kept: SingleUse[int] = SingleUse(60, 100, clock)
    for number in range(10):
        kept.put(number)
    clock.now += 60
    name = kept.put(11)
    assert len(kept) == 1
    assert kept.take(name) == 11
