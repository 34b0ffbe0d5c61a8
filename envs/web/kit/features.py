"""What the numbers of the candidate codec mean."""

from __future__ import annotations

from envreward.worlds import CandidateShape

from .app import MAX_PARTS

MAX_KINDS = 8
"""Kinds of pages, and commands, of an app at most."""
SHAPE = CandidateShape(choices=48, features=24, context=24)
FEATURES = (
    *("click", "fill", "select", "move", "answer", "check"),
    *(
        "in_focus",
        "other_open",
        "done",
        "named",
        "already_so",
        "used",
        "form_share",
        "unsent",
        "price_fits",
        "position",
    ),
    *(f"command_{i}" for i in range(MAX_KINDS)),
)
"""Features of a candidate, each in [-1, 1]:

* ``click``, ``fill``, ``select``, ``move`` (back, scroll, load anew), ``answer``: the kind of event; ``check``: the
  click is on a checkbox or radio button
* ``in_focus``, ``other_open``, ``done``: how well its text matches the values of the part in focus, of other parts that
  are open, of parts that are done
* ``named``: how well the label of the field, and its legend and row, name the value; ``already_so``: the field holds it
* ``used``: an event on that element was taken before on this path, or it leads to a page that has been seen
* ``form_share``: share of its form's fields that hold what they should, of those that could hold a value of the part in
  focus; ``unsent``: its form holds something that has not been sent
* ``price_fits``: the amount of money beside it is within the limit (1) or above (-1)
* ``position``: from the first candidate (0) to the last (1)
* ``command_i``: its label is the app's i-th command
"""
CONTEXT = (
    *("steps_left", "failed", "can_go_back", "title_in_focus", "title_other_open", "title_done", "price_fits"),
    *("unsent", "form_share", "errors", "more_below", "part_in_focus"),
    *(f"part_{i}_open" for i in range(MAX_PARTS)),
    *(f"page_kind_{i}" for i in range(MAX_KINDS)),
)
"""Context, each in [-1, 1]: the share of steps left; whether the last event could not be taken; whether there is a page
to go back to; how well the page's title matches the part in focus, other open parts and done ones; whether the amount
of money on the page is within the limit; whether anything is unsent; the best ``form_share`` on the page; whether the
page shows an error; whether it goes on below the screen; the number of the part in focus; which parts are open; the
page's kind."""
assert (len(FEATURES), len(CONTEXT)) == (SHAPE.features, SHAPE.context)
