"""Charts keep their marks inside the drawing and never divide by nothing."""

from hypothesis import given
from hypothesis import strategies as st

from admin import charts

VALUES = st.lists(st.integers(0, 10**9), max_size=40)


@given(VALUES)
def test_a_line_stays_inside_its_drawing(values: list[int]) -> None:
    points = [tuple(map(float, point.split(","))) for point in charts.line(values, width=100, height=28).split()]

    assert len(points) == len(values)
    assert all(0 <= x <= 100 and 0 <= y <= 28 for x, y in points)


@given(VALUES)
def test_bars_stand_on_the_ground_and_show_every_value(values: list[int]) -> None:
    drawn = charts.columns(values, [str(value) for value in values], width=600, height=120)

    assert len(drawn) == len(values)
    assert all(abs(bar.y + bar.height - 120) < 0.2 and bar.x + bar.width <= 600.2 for bar in drawn)
    assert all((bar.height >= 1) == (value > 0) for bar, value in zip(drawn, values, strict=True))


def test_a_flat_series_is_a_line_through_the_middle() -> None:
    assert charts.line([7, 7], width=100, height=28) == "2.0,14.0 98.0,14.0"


def test_a_funnel_compares_with_the_first_and_the_previous_step() -> None:
    steps = charts.funnel([("in", 200), ("reachable", 100), ("will get it", 25)])

    assert [(step.of_first, step.share) for step in steps] == [(1.0, 1.0), (0.5, 0.5), (0.125, 0.25)]


def test_behind_a_fork_each_step_is_held_against_the_fork() -> None:
    steps = charts.funnel([("audience", 200), ("delivered", 100), ("clicked", 10), ("bought", 12)], fork=1)

    assert [(step.share, step.against) for step in steps[2:]] == [(0.1, "delivered"), (0.12, "delivered")]


def test_an_empty_funnel_shows_no_share() -> None:
    steps = charts.funnel([("in", 0), ("reachable", 0)])

    assert [step.of_first for step in steps] == [0, 0]


def test_heat_runs_from_nothing_to_the_deepest_shade() -> None:
    assert [charts.heat(value, 100) for value in (0, 1, 50, 100, 200)] == [0, 1, 2, 5, 5]
    assert charts.heat(3, 0) == 0
