"""The MiniWoB++ tasks, light to import: each page's instruction in general, and its horizon.

What exactly is to be done differs with each episode; the page says it, and the field ``utterance`` holds it. The
pages that are no tasks are in `omitted`, each with its reason.
"""

from __future__ import annotations

from envreward.task_spec import TaskSpec

_DATE = "Select the date that the page names in the calendar, and submit."
_BOXES = "Tick exactly the boxes that the page names, and submit."
_LINK_IN_TABS = "Find the highlighted word that the page names, which may be in another tab, and click on it."
_MAIL = "Find the mail by the person whom the page names, and do with it what the page says."
_FORWARD = "Find the mail by the person whom the page names, and forward it to the other person."
_TYPE = "Type the text that the page names into the text field, and submit."
_MOVIES = "Search for movies of the genre, director and year that the page names."
_LIKES = "Click on the button that the page names on as many posts of the person as the page says, and submit."
_ITEM = "Enter an item that starts, and where the page says so ends, with the letters that the page names, and submit."

_PAGES: dict[str, tuple[str, int]] = {
    "ascending-numbers": ("Click on the numbers in ascending order; they are hidden after the first click.", 8),
    "button-delay": ("Click on button ONE, wait as many seconds as the page says, and click on button TWO.", 8),
    "buy-ticket": ("Book the cheapest, dearest, shortest or longest flight, as the page says.", 5),
    "choose-date": (_DATE, 20),
    "choose-date-easy": (_DATE, 8),
    "choose-date-medium": (_DATE, 10),
    "choose-date-nodelay": (_DATE, 20),
    "choose-list": ("Choose the item that the page names from the list, and submit.", 6),
    "click-button": ("Click on the button that the page names.", 5),
    "click-button-sequence": ("Click on button ONE, then on button TWO.", 5),
    "click-checkboxes": (_BOXES, 12),
    "click-checkboxes-large": (_BOXES, 20),
    "click-checkboxes-soft": ("Tick the boxes whose words mean the same as those that the page names, and submit.", 12),
    "click-checkboxes-transfer": (_BOXES, 12),
    "click-collapsible": ("Expand the section, and submit.", 5),
    "click-collapsible-2": ("Expand sections to find the highlighted word that the page names, and click on it.", 8),
    "click-collapsible-2-nodelay": (
        "Expand sections to find the highlighted word that the page names, and click on it.",
        8,
    ),
    "click-collapsible-nodelay": ("Expand the section, and submit.", 5),
    "click-color": ("Click on the box of the colour that the page names.", 5),
    "click-dialog": ("Close the dialog box by its x.", 5),
    "click-dialog-2": ("Click on the button of the dialog box that the page names.", 5),
    "click-link": ("Click on the highlighted word that the page names.", 5),
    "click-menu": ("Click on the item at the end of the path of submenus that the page names.", 10),
    "click-menu-2": ("Open the menu and click on the item whose label or icon the page names.", 10),
    "click-option": ("Choose the radio button that the page names, and submit.", 6),
    "click-scroll-list": ("Choose exactly the items that the page names from the list, and submit.", 8),
    "click-shades": ("Select all the shades of the colour that the page names, and submit.", 20),
    "click-shape": ("Click on a shape, letter or digit as the page describes it.", 5),
    "click-tab": ("Click on the tab that the page names.", 5),
    "click-tab-2": (_LINK_IN_TABS, 8),
    "click-tab-2-easy": ("Find the highlighted word that the page names, and click on it.", 8),
    "click-tab-2-hard": (_LINK_IN_TABS, 10),
    "click-tab-2-medium": ("Click on the highlighted word that the page names or, if it is not there, on tab 2.", 8),
    "click-test": ("Click on the button.", 5),
    "click-test-2": ("Click on button ONE, not on button TWO.", 5),
    "click-test-transfer": ("Click on button ONE, not on button TWO.", 5),
    "click-widget": ("Click on a control of the kind that the page names.", 5),
    "copy-paste": ("Put the text of the text area into the text field, and submit.", 6),
    "copy-paste-2": ("Put the text of the text area that the page names into the text field, and submit.", 6),
    "count-shape": ("Click on the number of shapes, letters or digits that fit the description.", 5),
    "drag-items": ("Drag the item that the page names to its new place in the list.", 5),
    "drag-shapes": ("Drag all shapes of the kind that the page names into the black box, and submit.", 10),
    "drag-sort-numbers": ("Drag the numbers of the list into ascending order, and submit.", 10),
    "email-inbox": (_MAIL, 10),
    "email-inbox-delete": ("Find the mail by the person whom the page names, and delete it.", 10),
    "email-inbox-forward": (_FORWARD, 10),
    "email-inbox-forward-nl": (_FORWARD, 10),
    "email-inbox-forward-nl-turk": (_FORWARD, 10),
    "email-inbox-important": ("Find the mail by the person whom the page names, and mark it as important.", 10),
    "email-inbox-nl-turk": (_MAIL, 10),
    "email-inbox-noscroll": (_MAIL, 10),
    "email-inbox-reply": ("Find the mail by the person whom the page names, and reply with the text named.", 10),
    "email-inbox-star-reply": (_MAIL, 10),
    "enter-date": ("Enter the date that the page names, and submit.", 6),
    "enter-password": ("Type the password that the page names into both fields, and submit.", 8),
    "enter-text": (_TYPE, 6),
    "enter-text-2": ("Type the word that the page names in upper or lower case, as the page says, and submit.", 6),
    "enter-text-dynamic": (_TYPE, 6),
    "enter-time": ("Enter the time that the page names, and submit.", 6),
    "find-greatest": ("Turn over the card with the greatest number, and submit.", 8),
    "find-word": ("Type the word at the place of the paragraph that the page names, and submit.", 6),
    "focus-text": ("Put the focus into the text field.", 5),
    "focus-text-2": ("Put the focus into the text field that the page names.", 5),
    "form-sequence": ("Move the slider to the number and tick the box that the page names, and submit.", 20),
    "form-sequence-2": (
        "Choose the radio button and type the number into the field that the page names, and submit.",
        8,
    ),
    "grid-coordinate": ("Click on the point of the grid that the page names.", 5),
    "identify-shape": ("Click on the button that says what the figure is.", 5),
    "login-user": ("Sign in with the name and the password that the page names.", 8),
    "login-user-popup": ("Sign in with the name and the password that the page names, past any popup.", 10),
    "multi-layouts": (_MOVIES, 10),
    "multi-orderings": (_MOVIES, 10),
    "navigate-tree": ("Open folders until the file or folder that the page names is seen, and click on it.", 12),
    "odd-or-even": ("Mark each number as odd or even, and submit.", 10),
    "phone-book": ("Find the person whom the page names, and click on the phone number, email or address.", 10),
    "read-table": ("Type the value that the table has for the name that the page names, and submit.", 6),
    "read-table-2": ("Type the values that the table has for the labels of the fields, and submit.", 8),
    "search-engine": ("Search for the name that the page names, and click on the result at the place named.", 10),
    "social-media": ("Click on the button that the page names on the post of the person, or in its menu.", 8),
    "social-media-all": ("Click on the button that the page names on all posts of the person, and submit.", 16),
    "social-media-some": (_LIKES, 16),
    "unicode-test": ("Click on the button that the page names.", 5),
    "use-autocomplete": (_ITEM, 8),
    "use-autocomplete-nodelay": (_ITEM, 8),
    "use-slider": ("Move the slider to the number that the page names, and submit.", 25),
    "use-spinner": ("Turn the spinner to the number that the page names, and submit.", 16),
}

TASKS: tuple[TaskSpec, ...] = tuple(
    TaskSpec(
        id=f"EnvReward/MiniWoB-{page}-v0",
        family="web",
        instruction=instruction,
        horizon=horizon,
        entry_point="envreward.envs.web.miniwob.task:MiniWoB",
        extra="web",
        packages=("miniwob", "playwright"),
        kwargs={"page": page},
    )
    for page, (instruction, horizon) in _PAGES.items()
)
"""All MiniWoB++ tasks."""
