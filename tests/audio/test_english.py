"""The rules of English readings: their own examples are the tests."""

import pytest

from audio.text.english import rules
from audio.text.normalize import read
from audio.text.rule import Rule, Scanned

EXAMPLES = [
    pytest.param(lang, rule, text, expected, id=f"{rule.name}-{lang}-{number}")
    for lang in ("en-us", "en-gb")
    for rule in rules(lang)
    if lang == "en-us" or rule not in rules("en-us")
    for number, (text, expected) in enumerate(rule.examples)
]


@pytest.mark.parametrize(("lang", "rule", "text", "expected"), EXAMPLES)
def test_rule_reads_its_examples(lang: str, rule: Rule, text: str, expected: str) -> None:
    """Each example is read as its rule says, and the rule itself changes it."""
    assert read(text, lang) == expected
    assert rule in changed_by(text, lang)


def changed_by(text: str, lang: str) -> list[Rule]:
    """Return the rules that change *text*, applied in order."""
    changing = []
    for rule in rules(lang):
        changed = rule.pattern.sub(rule.reading, text)
        if changed != text:
            assert rule.may_match(Scanned.of(text))
            changing.append(rule)
        text = changed
    return changing


@pytest.mark.parametrize("lang", ["en-us", "en-gb"])
def test_rules_have_unique_names(lang: str) -> None:
    """A name stands for one rule, and every rule has an example."""
    names = [rule.name for rule in rules(lang)]

    assert len(set(names)) == len(names)
    assert all(rule.examples for rule in rules(lang))
