import pytest
from hypothesis import given
from hypothesis import strategies as st

from siyu_touch.domain import forbidden_words
from siyu_touch.domain.template import Template
from siyu_touch.domain.template_language import CannotRender, NotAllowed, parse, render
from siyu_touch.domain.vocabulary import Channel, MessageClass

ATTACKS = [
    # Memory bombs: the sandbox lets them through, so they must fail at parse.
    "{{ 'a' * 10**9 }}",
    "{{ [1] * 10**8 }}",
    "{{ 'a' ~ 'b' }}",
    "{{ 2 ** 99999999 }}",
    "{{ 'x'.ljust(10**9) }}",
    "{{ 'x'|center(1000000000) }}",
    "{{ '%0999999999d' % 1 }}",
    "{{ '{:>999999999}'.format(1) }}",
    "{% for i in range(10**9) %}x{% endfor %}",
    "{{ range(10**9)|list }}",
    "{{ [a, a, a] }}",
    "{{ {'a': a} }}",
    "{{ lipsum(n=10**9) }}",
    # Ways out.
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ name['__class__'] }}",
    "{{ name|attr('__class__') }}",
    "{{ name.upper() }}",
    "{{ self._TemplateReference__context }}",
    "{{ self }}",
    "{{ cycler.__init__.__globals__ }}",
    "{{ (name|map(attribute='x')) }}",
    "{{ name|default(other) }}",
    "{{ name|default(value='x') }}",
    # Statements.
    "{% set x = 1 %}",
    "{% macro m() %}{% endmacro %}",
    "{% include 'x' %}",
    "{% import 'x' as y %}",
    "{% extends 'x' %}",
    "{% block b %}{% endblock %}",
    "{% filter upper %}x{% endfilter %}",
    "{% call m() %}{% endcall %}",
    "{{ name is defined }}",
    "{{ -name }}",
    "{{ name + 1 }}",
    "{{ 'x' if name }}",
    "{{",
    "{% if a %}",
    # Depth.
    "{{ " + "(" * 1_900 + "a" + ")" * 1_900 + " }}",
    "{{ " + "not " * 900 + "a }}",
    "{% if a %}" * 100 + "{% endif %}" * 100,
    "{{ " + "a if a else " * 300 + "a }}",
]


@pytest.mark.parametrize("text", ATTACKS)
def test_what_could_do_harm_is_refused_at_parse(text):
    with pytest.raises(NotAllowed):
        parse(text)


GOOD = [
    ("你好 {{ name }}", {"name": "王"}, "你好 王"),
    ("{{ amount|money }} 元", {"amount": 1234567.5}, "1,234,567.50 元"),
    ("{% if level >= 3 %}高{% elif level == 2 %}中{% else %}低{% endif %}", {"level": 2}, "中"),
    ("{{ 'VIP' if vip and not new else '客户' }}", {"vip": True, "new": False}, "VIP"),
    ("{{ name|default('客户') }}", {}, "客户"),
    ("{{ n }}", {"n": 3.0}, "3"),
    ("{{ n }}", {"n": 3.25}, "3.25"),
    ("{{ n|round(1) }}", {"n": 3.26}, "3.3"),
    ("{{ tags }}", {"tags": ("a", "b")}, "a、b"),
    ("{{ tags|length }}", {"tags": ("a", "b")}, "2"),
    ("{{ at|date }} {{ at|time }}", {"at": 1_795_406_400_000}, "2026-11-23 2026-11-23 12:00"),
    ("{{ name|truncate(3) }}", {"name": "abcdef"}, "ab…"),
    ("{{ ok }}", {"ok": True}, "是"),
    ("{{ 1 if 'a' in tags else 0 }}", {"tags": ("a",)}, "1"),
    ("{{ range }}", {"range": "a trait's name"}, "a trait's name"),
]


@pytest.mark.parametrize(("text", "traits", "result"), GOOD)
def test_what_the_language_says(text, traits, result):
    assert set(traits) <= set(parse(text))
    assert render(text, traits) == result


@pytest.mark.parametrize(
    ("text", "traits", "reason"),
    [
        ("{{ name }}", {}, "TRAIT_MISSING"),
        ("{% if name %}x{% endif %}", {}, "TRAIT_MISSING"),
        ("{{ name|upper }}", {}, "TRAIT_MISSING"),
        ("{{ 1 if name > 3 else 2 }}", {"name": "x"}, "NOT_RENDERED"),
        ("{{ name|money }}", {"name": "x"}, "NOT_RENDERED"),
        ("{{ at|date }}", {"at": 10**30}, "NOT_RENDERED"),
        ("{{ name }}" * 400, {"name": "x" * 8_191}, "TOO_LONG"),
    ],
)
def test_a_text_that_cannot_be_made_has_a_reason(text, traits, reason):
    with pytest.raises(CannotRender) as refused:
        render(text, traits)
    assert refused.value.reason == reason


@given(st.text(max_size=300))
def test_any_text_is_parsed_or_refused_and_then_rendered_or_refused(text):
    try:
        names = parse(text)
    except NotAllowed:
        return
    try:
        render(text, dict.fromkeys(names, "x"))
    except CannotRender:
        return


@given(st.text(alphabet="{}%|()'ab10 notifelsdr.*+-~[]", max_size=60))
def test_any_text_of_the_languages_signs_is_parsed_or_refused(text):
    try:
        names = parse(text)
    except NotAllowed:
        return
    try:
        assert len(render(text, dict.fromkeys(names, "x"))) <= 10_000
    except CannotRender:
        return


@given(st.sampled_from(forbidden_words.WORDS), st.sampled_from(" \u200b\u00ad\n\u3000"))
def test_a_forbidden_word_is_found_with_signs_between(word, between):
    assert forbidden_words.find("前" + between.join(word) + "后") in forbidden_words.WORDS
    assert forbidden_words.find("投资有风险") == ""


@given(st.lists(st.text(), min_size=3, max_size=3), st.sampled_from('\x1f\x00\n",|\\'))
def test_no_sign_between_title_and_body_makes_two_texts_one(parts, sign):
    first, middle, last = parts
    moved = template(first + sign + middle, last), template(first, middle + sign + last)
    assert moved[0].content_digest != moved[1].content_digest


def template(title, body):
    return Template(
        "p", "t", "n", Channel.IN_APP, MessageClass.MARKETING, title, body, (), "author", 1
    )
