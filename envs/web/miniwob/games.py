"""The MiniWoB++ pages that are tasks, by name."""

from __future__ import annotations

from collections.abc import Mapping

from . import oracles_apps as apps
from . import oracles_basic as basic
from . import oracles_reading as reading
from .game import Game, named
from .readers import calendar_date, iso_date, iso_time, items, letter_case, no_fields

_SLIDER_KEYS = ("ArrowLeft", "ArrowRight", "PageUp", "PageDown", "Home", "End")
_TARGET = named(r"Select (?P<target>.+?)(?: from the list)? and click Submit\.")
_BOXES = items(r"Select (?P<items>.+) and click Submit\.")
_MAIL = named(
    r'by (?P<by>.+?) and (?:reply to them with the text "(?P<message>.+)"|forward that email to (?P<to>.+)\.'
    r"|click the (?P<icon>trash|star) icon)"
)
_MOVIES = named(r"Search for (?P<genre>.+) movies directed by (?P<director>.+) from year (?P<year>\d+)\.")
_POSTS = named(r'Click the "(?P<button>\w+)" button on (?:all|(?P<count>\d+)) posts? by (?P<user>\S+) and')

GAMES: Mapping[str, Game] = {
    "ascending-numbers": Game(oracle=reading.ascending, fields=no_fields),
    "button-delay": Game(oracle=basic.one_wait_two, fields=named(r"wait (?P<seconds>\d) seconds")),
    "buy-ticket": Game(oracle=reading.ticket, fields=named(r"ticket with the (?P<goal>.+)\.")),
    "choose-date": Game(oracle=reading.pick_date, fields=calendar_date, anew=True),
    "choose-date-easy": Game(oracle=reading.pick_date, fields=calendar_date, anew=True),
    "choose-date-medium": Game(oracle=reading.pick_date, fields=calendar_date, anew=True),
    "choose-date-nodelay": Game(oracle=reading.pick_date, fields=calendar_date, anew=True),
    "choose-list": Game(oracle=basic.choose_from_list, fields=_TARGET),
    "click-button": Game(oracle=basic.quoted_button),
    "click-button-sequence": Game(oracle=basic.one_then_two, fields=no_fields),
    "click-checkboxes": Game(oracle=basic.tick(basic.listed_names), fields=_BOXES),
    "click-checkboxes-large": Game(oracle=basic.tick(basic.listed_names), fields=_BOXES),
    "click-checkboxes-soft": Game(
        oracle=basic.tick(basic.similar_names),
        fields=items(r"Select words similar to (?P<items>.+) and click Submit\."),
    ),
    "click-checkboxes-transfer": Game(oracle=basic.tick(basic.listed_names), fields=_BOXES),
    "click-collapsible": Game(oracle=basic.expand_and_submit, fields=no_fields),
    "click-collapsible-2": Game(oracle=basic.expand_to_link),
    "click-collapsible-2-nodelay": Game(oracle=basic.expand_to_link),
    "click-collapsible-nodelay": Game(oracle=basic.expand_and_submit, fields=no_fields),
    "click-color": Game(oracle=reading.coloured_box, fields=named(r"Click on the (?P<colour>\w+) colored box\.")),
    "click-dialog": Game(oracle=basic.first_button),
    "click-dialog-2": Game(oracle=basic.dialog),
    "click-link": Game(oracle=basic.quoted_link),
    "click-menu": Game(oracle=reading.menu_path, fields=items(r"Select (?P<items>.+)"), hovers=True),
    "click-menu-2": Game(oracle=reading.menu_item, fields=named(r'labeled "(?P<label>.+)"'), hovers=True),
    "click-option": Game(oracle=basic.choose_option, fields=_TARGET),
    "click-scroll-list": Game(
        oracle=basic.choose_several, fields=items(r"Select (?P<items>.+) from the scroll list and click Submit\.")
    ),
    "click-shades": Game(oracle=reading.shades, fields=named(r"shades of (?P<colour>\w+)")),
    "click-shape": Game(oracle=reading.described_shape, fields=named(r"Click on an? (?P<description>.+)")),
    "click-tab": Game(oracle=basic.named_tab, fields=named(r"(?P<tab>Tab #\d)")),
    "click-tab-2": Game(oracle=basic.tab_with_link),
    "click-tab-2-easy": Game(oracle=basic.tab_with_link),
    "click-tab-2-hard": Game(oracle=basic.tab_with_link),
    "click-tab-2-medium": Game(oracle=basic.tab_with_link),
    "click-test": Game(oracle=basic.first_button, fields=no_fields),
    "click-test-2": Game(oracle=basic.button_one, fields=no_fields),
    "click-test-transfer": Game(oracle=basic.button_one, fields=no_fields),
    "click-widget": Game(oracle=basic.widget),
    "copy-paste": Game(oracle=reading.copied, fields=no_fields, copies=True),
    "copy-paste-2": Game(oracle=reading.copied, fields=named(r"the (?P<place>\d)\w\w text"), copies=True),
    "count-shape": Game(oracle=reading.count_shapes, fields=named(r"How many (?P<description>.+)s are there")),
    "drag-items": Game(
        oracle=reading.move_item,
        fields=named(r"Drag (?P<item>.+?) (?:to the )?(?P<where>top|bottom|down by one|up by one|\d\w\w)"),
        drags=True,
    ),
    "drag-shapes": Game(oracle=reading.shapes_in_box, fields=named(r"Drag all (?P<shapes>\w+) into"), drags=True),
    "drag-sort-numbers": Game(oracle=reading.sort_numbers, fields=no_fields, drags=True),
    "email-inbox": Game(oracle=apps.mail, fields=_MAIL),
    "email-inbox-delete": Game(oracle=apps.mail, fields=_MAIL),
    "email-inbox-forward": Game(oracle=apps.mail, fields=_MAIL),
    "email-inbox-forward-nl": Game(oracle=apps.mail),
    "email-inbox-forward-nl-turk": Game(oracle=apps.mail),
    "email-inbox-important": Game(oracle=apps.mail, fields=_MAIL),
    "email-inbox-nl-turk": Game(oracle=apps.mail),
    "email-inbox-noscroll": Game(oracle=apps.mail, fields=_MAIL),
    "email-inbox-reply": Game(oracle=apps.mail, fields=_MAIL),
    "email-inbox-star-reply": Game(oracle=apps.mail, fields=_MAIL),
    "enter-date": Game(oracle=basic.fill(basic.part("iso_date")), fields=iso_date),
    "enter-password": Game(oracle=basic.fill(basic.part("quoted_0"), basic.part("quoted_0"))),
    "enter-text": Game(oracle=basic.fill(basic.part("quoted_0"))),
    "enter-text-2": Game(oracle=basic.fill(basic.asked_case), fields=letter_case),
    "enter-text-dynamic": Game(oracle=basic.fill(basic.part("quoted_0"))),
    "enter-time": Game(oracle=basic.fill(basic.part("iso_time")), fields=iso_time),
    "find-greatest": Game(oracle=reading.find_card, fields=no_fields),
    "find-word": Game(oracle=reading.nth_word, fields=named(r"the (?P<place>\d+\w\w) word"), copies=True),
    "focus-text": Game(oracle=basic.only_field, fields=no_fields),
    "focus-text-2": Game(oracle=basic.nth_field, fields=named(r"the (?P<place>\d\w\w) input")),
    "form-sequence": Game(
        oracle=reading.slide_and_tick,
        fields=named(r"Select (?P<number>-?\d+) with the slider, click the (?P<place>\d\w\w) checkbox"),
        keys=_SLIDER_KEYS,
        anew=True,
    ),
    "form-sequence-2": Game(
        oracle=basic.radio_and_field,
        fields=named(r'the (?P<radio>\d\w\w) radio .* number "(?P<number>-?\d+)" into the (?P<field>\d\w\w) textbox'),
    ),
    "grid-coordinate": Game(oracle=reading.grid_point, fields=named(r"coordinate (?P<point>\(.+\))")),
    "identify-shape": Game(oracle=reading.name_shape, fields=no_fields),
    "login-user": Game(oracle=basic.fill(basic.part("quoted_0"), basic.part("quoted_1"))),
    "login-user-popup": Game(oracle=basic.sign_in_past_popup),
    "multi-layouts": Game(oracle=basic.search_movies, fields=_MOVIES),
    "multi-orderings": Game(oracle=basic.search_movies, fields=_MOVIES),
    "navigate-tree": Game(oracle=reading.open_tree),
    "odd-or-even": Game(oracle=reading.odd_or_even, fields=no_fields),
    "phone-book": Game(
        oracle=reading.contact, fields=named(r"Find (?P<person>.+) in the .* their (?P<property>phone|email|address)")
    ),
    "read-table": Game(oracle=reading.table_value, fields=named(r"value of (?P<name>.+) into"), copies=True),
    "read-table-2": Game(oracle=reading.table_values, fields=no_fields, copies=True),
    "search-engine": Game(
        oracle=reading.search_result, fields=named(r'enter "(?P<quoted_0>.+)" and .* the (?P<place>\d\w\w) search')
    ),
    "social-media": Game(
        oracle=apps.post_button, fields=named(r'For the user (?P<user>\S+), click on the "(?P<button>.+)" button')
    ),
    "social-media-all": Game(oracle=apps.post_buttons, fields=_POSTS),
    "social-media-some": Game(oracle=apps.post_buttons, fields=_POSTS),
    "unicode-test": Game(oracle=basic.quoted_button),
    "use-autocomplete": Game(oracle=reading.complete, anew=True),
    "use-autocomplete-nodelay": Game(oracle=reading.complete, anew=True),
    "use-slider": Game(
        oracle=reading.slide, fields=named(r"Select (?P<number>-?\d+) with"), keys=_SLIDER_KEYS, anew=True
    ),
    "use-spinner": Game(oracle=reading.spin, fields=named(r"Select (?P<number>-?\d+) with")),
}
