"""Plots as SVG: lines over time, drawn by the server, with classes for their colours (static/console.css)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from math import ceil, floor, log10

from markupsafe import Markup

WIDTH, HEIGHT = 420, 180
_LEFT, _RIGHT, _TOP, _BOTTOM = 60, 10, 12, 24
_STEPS = (1, 2, 5, 10)
_LABELS = 4


@dataclass(frozen=True)
class Series:
    """One line.

    Attributes:
        values: One for each span; None where there is none, and the line is broken there.
    """

    name: str
    values: Sequence[float | None]


def plot(name: str, title: str, said: str, times: Sequence[datetime], series: Sequence[Series], unit: str) -> Markup:
    """An SVG of the lines; up to four of them.

    Args:
        name: Unique on the page, `[a-z0-9-]`: what its title and description go by.
        title: What it shows, in few words.
        said: What can be seen, in a sentence, for those who do not see it.
        times: When each span begins.
        series: The lines.
        unit: Behind the numbers of the scale: `s`, or nothing.
    """
    top = _scale(max((value for one in series for value in one.values if value is not None), default=0.0))
    head = Markup(
        '<svg viewBox="0 0 {} {}" role="img" aria-labelledby="{}-title {}-said"><title id="{}-title">{}</title>'
        '<desc id="{}-said">{}</desc>'
    ).format(WIDTH, HEIGHT, name, name, name, title, name, said)
    lines = Markup("").join(_line(one, number, top) for number, one in enumerate(series, 1))
    return Markup("").join((head, _grid(top, unit), _clock(times), lines, Markup("</svg>")))


def _scale(most: float) -> float:
    """The smallest of 1, 2, 5, 10, … that is no less."""
    if most <= 0:
        return 1.0
    power = 10.0 ** floor(log10(most))
    return next(step * power for step in _STEPS if step * power >= most * 0.999)


def _x(place: float, count: int) -> float:
    return round(_LEFT + (WIDTH - _LEFT - _RIGHT) * place / max(count - 1, 1), 1)


def _y(value: float, top: float) -> float:
    return round(HEIGHT - _BOTTOM - (HEIGHT - _TOP - _BOTTOM) * value / top, 1)


def _grid(top: float, unit: str) -> Markup:
    line = Markup('<line class="gridline" x1="{}" x2="{}" y1="{}" y2="{}"/>')
    text = Markup('<text x="{}" y="{}" text-anchor="end">{}{}</text>')
    made: list[Markup] = []
    for part in (0.0, 0.5, 1.0):
        y = _y(top * part, top)
        made += [line.format(_LEFT, WIDTH - _RIGHT, y, y), text.format(_LEFT - 6, y + 4, f"{top * part:g}", unit)]
    return Markup("").join(made)


def _clock(times: Sequence[datetime]) -> Markup:
    text = Markup('<text x="{}" y="{}" text-anchor="{}">{}</text>')
    count, step = len(times), max(ceil(len(times) / _LABELS), 1)
    return Markup("").join(
        text.format(_x(place, count), HEIGHT - 6, "start" if place == 0 else "middle", f"{times[place]:%H:%M}")
        for place in range(0, count, step)
    )


def _line(series: Series, number: int, top: float) -> Markup:
    """Its parts between the breaks; a single value is a dot."""
    count, made, part = len(series.values), list[Markup](), list[tuple[float, float]]()
    for place, value in enumerate([*series.values, None]):
        if value is not None:
            part.append((_x(place, count), _y(value, top)))
        elif part:
            made.append(_part(part, number))
            part = []
    return Markup("").join(made)


def _part(points: Sequence[tuple[float, float]], number: int) -> Markup:
    if len(points) == 1:
        return Markup('<circle class="series-{}" fill="none" stroke-width="2" cx="{}" cy="{}" r="2"/>').format(
            number, *points[0]
        )
    path = " ".join(f"{x:g},{y:g}" for x, y in points)
    return Markup(
        '<polyline class="series-{}" fill="none" stroke-width="2" stroke-linejoin="round" points="{}"/>'
    ).format(number, path)
