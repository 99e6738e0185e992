"""The language of a text."""

from bot.core.preferences import detect


def test_detect_recognizes_the_language_of_a_text() -> None:
    """A dozen letters are enough; fewer, or a language without a voice, are not recognized."""
    assert detect("¿Dónde estás? Llegamos a las ocho.") == "es"
    assert detect("On arrive à la gare dans une heure.") == "fr-fr"
    assert detect("晩ごはんができました。") == "ja"
    assert detect("我们七点回家吃饭。") == "cmn"
    assert detect("Dinner will be ready at seven.") == "en-us"
    assert detect("ok") == detect("Guten Abend zusammen") == ""
