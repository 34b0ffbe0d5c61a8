"""Pages as HTML: nothing is lost, nothing is run."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sample_site import FORMS, NASTY, elements

from envreward.envs.web.kit.app import plain
from envreward.envs.web.kit.html import parse, render
from envreward.envs.web.kit.page import Element, Form, Page

ROOT = "/0123456789abcdef"
TEXT = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0\r"), max_size=30)


def _round_trip(page: Page) -> Page:
    return parse(render(page, ROOT), page.path, ROOT)


def _same(page: Page, back: Page) -> None:
    assert back.elements == page.elements
    assert (back.path, back.title, back.kind) == (page.path, page.title, page.kind)
    assert back.form_by_id == page.form_by_id


@pytest.mark.parametrize("text", ["plain", *NASTY])
def test_read_back_equals_page(text: str) -> None:
    """Every kind of element comes back from its HTML as it was, attributes and order included."""
    page = Page("/x?a=1", text, "first", elements(text), FORMS)
    _same(page, _round_trip(page))


@settings(max_examples=60, deadline=None)
@given(TEXT, TEXT)
def test_any_text_survives(one: str, two: str) -> None:
    """No text, whatever its characters, changes on the way through HTML or breaks out of its place."""
    page = Page("/", one, "first", (*elements(one), Element(id="z", kind="link", label=two, href="/second")), FORMS)
    _same(page, _round_trip(page))


@pytest.mark.parametrize("text", NASTY)
def test_text_is_never_markup(text: str) -> None:
    """Text of products and users never becomes tags, scripts or attributes."""
    html = render(Page("/", text, "first", elements(text), FORMS), ROOT)
    assert "<script" not in html and "<b>" not in html
    assert html.count("</textarea>") == 1 and html.count("</title>") == 1
    plain_tags = re.findall(r"<(/?\w+)", render(Page("/", "x", "first", elements("x"), FORMS), ROOT))
    assert re.findall(r"<(/?\w+)", html) == plain_tags


def test_fields_have_labels_and_forms() -> None:
    """The HTML is what a careful author writes: fields have labels, errors are tied to them, forms hold them."""
    html = render(Page("/", "t", "first", elements("text"), FORMS), ROOT)
    for id in re.findall(r'<(?:input|select|textarea)[^>]* id="([^"]+)"', html):
        assert f'<label for="{id}">' in html
    assert 'aria-describedby="mail-error"' in html and 'id="mail-error">text<' in html
    assert "<fieldset><legend>text</legend>" in html
    main = html[html.index('<form id="main"') :]
    assert main.index('id="first"') < main.index("</form>") and 'id="first" name="first" form=' not in main
    assert f'action="{ROOT}/send" method="post"' in html and f'href="{ROOT}/second"' in html


def test_interleaved_forms_name_their_fields() -> None:
    """Fields of two forms may alternate, as in a table's rows; each is sent with its own."""
    fields = tuple(
        Element(id=f"f{i}", kind="textbox", label="F", name="f", form="a" if i % 2 else "b") for i in range(6)
    )
    page = Page("/", "t", "k", fields, (Form("a", "/a"), Form("b", "/b", "post")))
    _same(page, _round_trip(page))
    assert render(page, ROOT).count('form="a"') == 3


def test_plain_is_what_html_holds() -> None:
    """Line ends and NUL of what is sent become what a page can show again unchanged."""
    assert plain("a\r\nb\rc\0") == "a\nb\nc\ufffd"
