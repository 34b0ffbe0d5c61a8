"""Ways to win the games of clicking and of forms."""

from __future__ import annotations

from collections.abc import Callable

from .actions import Action, Click, Select, Type, Wait
from .game import Scene

Oracle = Callable[[Scene], Action]


def click_text(scene: Scene, text: str, *kinds: str) -> Click:
    """Click on the first element that says a text."""
    return Click(scene.one(*kinds, text=text).number)


def submit(scene: Scene) -> Click:
    """Click on the last button: these pages end with the one that submits."""
    return Click(scene.all("button")[-1].number)


def first_button(scene: Scene) -> Action:
    """Click on the first button."""
    return Click(scene.one("button").number)


def button_one(scene: Scene) -> Action:
    """Click on the button ONE."""
    return click_text(scene, "ONE", "button")


def quoted_button(scene: Scene) -> Action:
    """Click on the button whose text is quoted."""
    return click_text(scene, scene.fields["quoted_0"], "button")


def one_then_two(scene: Scene) -> Action:
    """Click on ONE, then on TWO; ONE has the focus after that."""
    one = scene.one("button", text="ONE")
    return click_text(scene, "TWO", "button") if one.focused else Click(one.number)


def one_wait_two(scene: Scene) -> Action:
    """Click on ONE, let the seconds pass, click on TWO. The click itself takes a second."""
    if not scene.one("button", text="ONE").focused:
        return click_text(scene, "ONE", "button")
    passed = scene.peek("(new Date().getTime() - currentTime) / 1000")
    return Wait() if passed < int(scene.fields["seconds"]) else click_text(scene, "TWO", "button")


def tick(names: Callable[[Scene], set[str]]) -> Oracle:
    """Return a way to tick the boxes of some names, and no others, and to submit."""

    def play(scene: Scene) -> Action:
        wanted = names(scene)
        for box in scene.all("toggle"):
            if box.checked != (box.text in wanted):
                return Click(box.number)
        return submit(scene)

    return play


def listed_names(scene: Scene) -> set[str]:
    """Return all the names that "Select A, B and click Submit." lists."""
    text = scene.look.utterance.removeprefix("Select ").removesuffix(" and click Submit.")
    return set() if text == "nothing" else set(text.split(", "))


def similar_names(scene: Scene) -> set[str]:
    """Return the boxes' names that mean the same as a word of the utterance, by the page's own table."""
    text = scene.look.utterance.removeprefix("Select words similar to ").removesuffix(" and click Submit.")
    wanted = set(text.split(", "))
    groups = [set(group) for group in scene.peek("SYNONYMS")]
    return {box.text for box in scene.all("toggle") for group in groups if box.text in group and wanted & group}


def choose_option(scene: Scene) -> Action:
    """Tick the radio button that is named, and submit."""
    button = scene.one("toggle", text=scene.fields["target"])
    return submit(scene) if button.checked else Click(button.number)


def quoted_link(scene: Scene) -> Action:
    """Click on the highlighted word that is quoted."""
    return Click(scene.one(cls="alink", text=scene.fields["quoted_0"]).number)


def dialog(scene: Scene) -> Action:
    """Click on the button of a dialog that is quoted; its x is called Close."""
    wanted = scene.fields["quoted_0"]
    return click_text(scene, "Close" if wanted == "x" else wanted, "button")


def named_tab(scene: Scene) -> Action:
    """Click on the tab that is named."""
    return click_text(scene, scene.fields["tab"], "link")


def tab_with_link(scene: Scene) -> Action:
    """Open the tab that has the quoted word, and click on it."""
    wanted = scene.fields["quoted_0"]
    if found := scene.all(cls="alink", text=wanted):
        return Click(found[0].number)
    tabs = scene.all("link")
    words = "e => [...e.querySelectorAll('.alink')].map(a => a.textContent.trim())"
    by_tab = scene.peek(f"[...document.querySelectorAll('#area > div')].map({words})")
    at = next((n for n, words in enumerate(by_tab) if wanted in words), len(tabs) - 1)
    return Click(tabs[at].number)


def expand_and_submit(scene: Scene) -> Action:
    """Expand the section, and submit."""
    header = scene.one(cls="ui-accordion-header")
    return submit(scene) if "ui-state-active" in header.classes.split() else Click(header.number)


def expand_to_link(scene: Scene) -> Action:
    """Expand the section that has the quoted word, and click on it."""
    wanted = scene.fields["quoted_0"]
    if found := scene.all(cls="alink", text=wanted):
        return Click(found[0].number)
    words = "e => [...e.querySelectorAll('.alink')].map(a => a.textContent.trim())"
    by_section = scene.peek(f"[...document.querySelectorAll('.ui-accordion-content')].map({words})")
    at = next(n for n, words in enumerate(by_section) if wanted in words)
    return Click(scene.all(cls="ui-accordion-header")[at].number)


_WIDGETS = {"radio": ("toggle", "radio"), "checkbox": ("toggle", "checkbox"), "button": ("button", "submit")}


def widget(scene: Scene) -> Action:
    """Click on a control of the kind that is quoted."""
    wanted = scene.fields["quoted_0"]
    kind, type_ = _WIDGETS.get(wanted, ("field", wanted))
    return Click(next(e for e in scene.all(kind) if e.type == type_).number)


def choose_from_list(scene: Scene) -> Action:
    """Choose what is named from the list, and submit."""
    choices, wanted = scene.one("list"), scene.fields["target"]
    return submit(scene) if choices.value == wanted else Select(choices.number, wanted)


def choose_several(scene: Scene) -> Action:
    """Choose all that is named from a list of several choices, and submit."""
    choices = scene.one("list")
    chosen = set(choices.value.split(", ")) if choices.value else set()
    wrong = chosen ^ set(scene.fields.values())
    return Select(choices.number, min(wrong)) if wrong else submit(scene)


def only_field(scene: Scene) -> Action:
    """Click on the text field."""
    return Click(scene.one("field").number)


def nth_field(scene: Scene) -> Action:
    """Click on the text field of the place that is named."""
    return Click(scene.all("field")[int(scene.fields["place"][0]) - 1].number)


def fill(*values: Callable[[Scene], str]) -> Oracle:
    """Return a way to type a value into each text field in turn, and to submit."""

    def play(scene: Scene) -> Action:
        for field, value in zip(scene.all("field"), values, strict=True):
            if field.value != value(scene):
                return Type(field.number, value(scene))
        return submit(scene)

    return play


def part(name: str) -> Callable[[Scene], str]:
    """Return what reads a field of the utterance."""
    return lambda scene: scene.fields[name]


def asked_case(scene: Scene) -> str:
    """Return the word in the case that is asked for."""
    return scene.fields[scene.fields["case"]]


_sign_in = fill(part("quoted_0"), part("quoted_1"))


def sign_in_past_popup(scene: Scene) -> Action:
    """Sign in; where a popup asks whether to leave, stay."""
    if stay := scene.all("button", text="Cancel"):
        return Click(stay[0].number)
    return _sign_in(scene)


def radio_and_field(scene: Scene) -> Action:
    """Tick the radio button and type the number into the field of the places that are named, and submit."""
    button = scene.all("toggle")[int(scene.fields["radio"][0]) - 1]
    field = scene.all("field")[int(scene.fields["field"][0]) - 1]
    if not button.checked:
        return Click(button.number)
    return submit(scene) if field.value == scene.fields["number"] else Type(field.number, scene.fields["number"])


_SEARCH_LABELS = {"genre": ("Genre",), "director": ("Director",), "year": ("Year", "Released")}


def search_movies(scene: Scene) -> Action:
    """Type each part into the field beside its label, whatever the layout, and search."""
    texts = [e for e in scene.look.elements if e.kind not in ("field", "button") and e.text]
    for name, words in _SEARCH_LABELS.items():
        label = next(e for e in texts if any(word in e.text for word in words))
        place = texts.index(label) - len([e for e in texts if e.text == "Movie Search"])
        field = scene.all("field")[place]
        if field.value != scene.fields[name]:
            return Type(field.number, scene.fields[name])
    last = [e for e in scene.look.elements if e.text in ("Submit", "Search", "Go!")]
    return Click(last[-1].number)
