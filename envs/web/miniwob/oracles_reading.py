"""Ways to win the games in which something has to be read, found or worked out."""

from __future__ import annotations

import datetime
import re

from .actions import Action, Click, Drag, Hover, Press, Type
from .game import Scene
from .listing import Element
from .oracles_basic import click_text, submit


def nth_word(scene: Scene) -> Action:
    """Type the word of the place that is named, without punctuation, and submit."""
    words = scene.one("text").text.split()
    answer = words[int(re.sub(r"\D", "", scene.fields["place"])) - 1].strip(".,:;")
    field = scene.one("field")
    return submit(scene) if field.value == answer else Type(field.number, answer)


def _cells(scene: Scene) -> dict[str, str]:
    cells = [e.text for e in scene.look.elements if e.tag == "td"]
    return dict(zip(cells[::2], cells[1::2], strict=True))


def table_value(scene: Scene) -> Action:
    """Type what the table has beside the name, and submit."""
    field, answer = scene.one("field"), _cells(scene)[scene.fields["name"]]
    return submit(scene) if field.value == answer else Type(field.number, answer)


def table_values(scene: Scene) -> Action:
    """Type what the table has beside the label of each field, and submit."""
    labels = [e.text.rstrip(": ") for e in scene.look.elements if e.tag == "label"]
    for label, field in zip(labels, scene.all("field"), strict=True):
        if field.value != _cells(scene)[label]:
            return Type(field.number, _cells(scene)[label])
    return submit(scene)


def copied(scene: Scene) -> Action:
    """Type what the text area of the place that is named holds, and submit."""
    areas = [e for e in scene.all("field") if e.tag == "textarea"]
    source = areas[int(scene.fields.get("place", "1")[0]) - 1]
    target = next(e for e in scene.all("field") if e.tag == "input")
    return submit(scene) if target.value == source.value else Type(target.number, source.value)


def coloured_box(scene: Scene) -> Action:
    """Click on the box of the colour that is named."""
    return Click(next(e for e in scene.all(cls="color") if e.colour_name == scene.fields["colour"]).number)


def _hue(element: Element) -> str:
    red, green, blue = map(int, re.findall(r"\d+", element.colour)[:3])
    return {red: "red", green: "green", blue: "blue"}[max(red, green, blue)]


def shades(scene: Scene) -> Action:
    """Click on all the shades of a colour, and submit."""
    for shade in (e for e in scene.look.elements if e.tag == "span"):
        if (_hue(shade) == scene.fields["colour"]) != (shade.classes == "selected"):
            return Click(shade.number)
    return submit(scene)


_SHAPE_NAMES = {"rect": "rectangle", "circle": "circle", "polygon": "triangle"}


def _fits(shape: Element, description: str) -> bool:
    """Whether a drawn shape, letter or digit fits e.g. "small red digit" or "large item"."""
    *attributes, name = description.split()
    if shape.tag == "text":
        names = {shape.text, "digit" if shape.text.isdigit() else "letter", "item"}
        size = "large" if shape.height > 16 else "small"
    else:
        names = {_SHAPE_NAMES[shape.tag], "shape", "item"}
        size = "large" if shape.height > 14 else "small"
    return name in names and all(a in (size, shape.colour_name) for a in attributes)


def _shapes(scene: Scene) -> list[Element]:
    return [e for e in scene.look.elements if e.tag in ("text", *_SHAPE_NAMES)]


def described_shape(scene: Scene) -> Action:
    """Click on a shape that is described."""
    return Click(next(e for e in _shapes(scene) if _fits(e, scene.fields["description"])).number)


def count_shapes(scene: Scene) -> Action:
    """Click on the number of the shapes that are described."""
    count = sum(_fits(e, scene.fields["description"]) for e in _shapes(scene))
    return click_text(scene, str(count), "button")


def name_shape(scene: Scene) -> Action:
    """Click on what the figure is."""
    figure = _shapes(scene)[0]
    if figure.tag == "text":
        return click_text(scene, "Number" if figure.text.isdigit() else "Letter", "button")
    return click_text(scene, _SHAPE_NAMES[figure.tag].capitalize(), "button")


def grid_point(scene: Scene) -> Action:
    """Click on a point of a grid; points are named by their coordinates."""
    return Click(scene.one("shape", id=scene.fields["point"]).number)


def search_result(scene: Scene) -> Action:
    """Search for the quoted name, turn to the page of the result and click on it; a page has three results."""
    field, name = scene.one("field"), scene.fields["quoted_0"]
    if field.value != name:
        return Type(field.number, name)
    results = scene.all("link", cls="search-title")
    if not results:
        return click_text(scene, "Search", "button")
    index = int(scene.fields["place"][0]) - 1
    if scene.peek("+document.querySelector('.search-title').dataset.result") // 3 != index // 3:
        return click_text(scene, str(index // 3 + 1), "link")
    return Click(results[index % 3].number)


def spin(scene: Scene) -> Action:
    """Turn the spinner to the number, and submit."""
    difference = int(scene.fields["number"]) - int(scene.one("field").value)
    if not difference:
        return submit(scene)
    return Click(scene.one("link", cls="ui-spinner-up" if difference > 0 else "ui-spinner-down").number)


def slide(scene: Scene) -> Action:
    """Move the slider's handle by keys to the number, and submit. A page is a fifth of the slider."""
    handle = scene.one(cls="ui-slider-handle")
    difference = int(scene.fields["number"]) - int(scene.one(id="val").text)
    if not difference:
        return submit(scene)
    if not handle.focused:
        return Click(handle.number)
    page = scene.peek("($('#slider').slider('option', 'max') - $('#slider').slider('option', 'min')) / 5")
    far = abs(difference) > page / 2 and page > 1
    if difference > 0:
        return Press("PageUp" if far else "ArrowRight")
    return Press("PageDown" if far else "ArrowLeft")


def slide_and_tick(scene: Scene) -> Action:
    """Move the slider to the number, tick the box of the place that is named, and submit."""
    box = scene.all("toggle")[int(scene.fields["place"][0]) - 1]
    action = slide(scene)
    if isinstance(action, Click) and action == submit(scene) and not box.checked:
        return Click(box.number)
    return action


def open_tree(scene: Scene) -> Action:
    """Click on what is named; open folders until it is to be seen."""
    wanted = scene.fields["quoted_0"]
    if found := scene.all(text=wanted):
        return Click(found[0].number)
    closed = scene.all(cls="expandable-hitarea")
    return Click(closed[0].number)


def menu_path(scene: Scene) -> Action:
    """Hover along the path of submenus, and click on its end."""
    path = scene.look.utterance.removeprefix("Select ").split(">")
    shown = [name for name in path if scene.all(text=name)]
    element = scene.one(text=shown[-1])
    return Click(element.number) if len(shown) == len(path) else Hover(element.number)


_ICONS = {"Save": "disk", "Prev": "seek-start", "Stop": "stop", "Play": "play", "Next": "seek-end"}
_ICONS |= {"Zoom In": "zoomin", "Zoom Out": "zoomout"}


def menu_item(scene: Scene) -> Action:
    """Open the menu, its submenu if need be, and click on the item of the label or icon that is named."""
    wanted = scene.fields.get("label") or scene.peek(
        "(Object.entries(PROBLEM_SET).find(([, icon]) => document.querySelector('#query .' + icon)) || [''])[0]"
    )
    if found := scene.all(text=wanted):
        return Click(found[0].number)
    if playback := scene.all(text="Playback"):
        return Click(playback[0].number)
    return click_text(scene, "Menu", "button")


def ascending(scene: Scene) -> Action:
    """Click on the numbers, which vanish behind squares in their order."""
    if one := scene.all(text="1"):
        return Click(one[0].number)
    return Click(min(scene.all("shape"), key=lambda e: e.number).number)


def contact(scene: Scene) -> Action:
    """Turn the pages until the person is to be seen, and click on what is asked for."""
    if not scene.all(text=scene.fields["person"]):
        return click_text(scene, ">", "link")
    return Click(scene.one("link", cls=scene.fields["property"]).number)


def _minutes(text: str) -> int:
    hours, minutes = re.search(r"(\d+)h", text), re.search(r"(\d+)m", text)
    return 60 * int(hours[1] if hours else 0) + int(minutes[1] if minutes else 0)


def ticket(scene: Scene) -> Action:
    """Book the ticket that is asked for."""
    buttons = scene.all("button")
    durations = [_minutes(e.text) for e in scene.all(cls="time-duration")]
    prices = [int(re.sub(r"\D", "", e.text)) for e in buttons]
    quantity = durations if "duration" in scene.look.utterance else prices
    best = max if re.search("longest|most", scene.look.utterance) else min
    return Click(buttons[quantity.index(best(quantity))].number)


def sort_numbers(scene: Scene) -> Action:
    """Drag numbers until they are in order, smallest first, and submit."""
    rows = [e for e in scene.look.elements if e.tag == "div" and re.fullmatch(r"-?\d+", e.text)]
    numbers = [int(e.text) for e in rows]
    for place, number in enumerate(sorted(numbers)):
        if numbers[place] != number:
            return Drag(rows[numbers.index(number)].number, rows[place].number)
    return submit(scene)


def move_item(scene: Scene) -> Action:
    """Drag the item that is named to its new place."""
    rows = [e for e in scene.look.elements if e.tag == "div"]
    at = next(n for n, e in enumerate(rows) if e.text == scene.fields["item"])
    where = scene.fields["where"]
    to = {"top": 0, "bottom": len(rows) - 1, "down by one": at + 1, "up by one": at - 1}.get(where)
    return Drag(rows[at].number, rows[int(where[0]) - 1 if to is None else to].number)


_DRAWN = {"circles": "circle", "rectangles": "rect", "triangles": "polygon"}


def shapes_in_box(scene: Scene) -> Action:
    """Drag all the shapes that are named into the black box, and submit."""
    box = scene.one(id="shape-container")
    for shape in _shapes(scene):
        inside = box.left <= shape.left and shape.left + shape.width <= box.left + box.width
        inside &= box.top <= shape.top and shape.top + shape.height <= box.top + box.height
        if shape.tag == _DRAWN[scene.fields["shapes"]] and shape is not box and not inside:
            return Drag(shape.number, box.number)
    return submit(scene)


def odd_or_even(scene: Scene) -> Action:
    """Mark each number as odd or even, and submit."""
    for number in scene.all(cls="display-number"):
        marked = [e for e in scene.all("button", cls="selected") if abs(e.top - number.top) < number.height]
        wanted = "Odd" if int(number.text) % 2 else "Even"
        if [e.text for e in marked] != [wanted]:
            near = scene.all("button", text=wanted)
            return Click(min(near, key=lambda e: abs(e.top - number.top)).number)
    return submit(scene)


def find_card(scene: Scene) -> Action:
    """Turn the card with the greatest number, and submit."""
    values = scene.peek("[...document.querySelectorAll('.card')].map(c => [+c.textContent, c.className])")
    value, classes = max(values)
    if "hidden" not in classes:
        return submit(scene)
    return Click(scene.all(cls="card")[[v for v, _ in values].index(value)].number)


def pick_date(scene: Scene) -> Action:
    """Open the calendar, turn it to the month, click on the day, and submit."""
    fields = scene.fields
    date = scene.one("field")
    if date.value:
        return submit(scene)
    month = scene.all(cls="ui-datepicker-month")
    if not month:
        return Click(date.number)
    shown, wanted = (datetime.datetime.strptime(name, "%B").month for name in (month[0].text, fields["month"]))
    if shown == wanted:
        return click_text(scene, fields["day"], "link")
    return Click(scene.one("link", cls="ui-datepicker-next" if shown < wanted else "ui-datepicker-prev").number)


def complete(scene: Scene) -> Action:
    """Type how the item begins, click on one that ends as asked, and submit."""
    start, end = scene.fields["quoted_0"], scene.fields.get("quoted_1", "")
    field = scene.one("field")
    if field.value.startswith(start) and field.value.endswith(end) and field.value != start:
        return submit(scene)
    found = [e for e in scene.all(cls="ui-menu-item-wrapper") if e.text.endswith(end)]
    return Click(found[0].number) if found else Type(field.number, start)
