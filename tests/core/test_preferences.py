"""The language of a text."""

from bot.core.preferences import detect


def test_detect_recognizes_the_language_of_a_text() -> None:
    """A dozen letters are enough; fewer, or words that several languages have, are unclear."""
    assert detect("¿Dónde estás? Llegamos a las ocho.") == "es"
    assert detect("On arrive à la gare dans une heure.") == "fr-fr"
    assert detect("晩ごはんができました。") == "ja"
    assert detect("我们七点回家吃饭。") == "cmn"
    assert detect("Dinner will be ready at seven.") == "en-us"
    assert detect("ok") == detect("Kein Problem") == ""


def test_detect_recognizes_languages_that_have_an_accent() -> None:
    """Those that no voice was trained on, too; they are not taken for others."""
    assert detect("Guten Abend zusammen, das Essen ist fertig.") == "de"
    assert detect("Het eten is klaar, kom maar.") == "nl"
    assert detect("Obiad jest gotowy, chodźcie.") == "pl"
    assert detect("저녁 준비됐어요. 어서 오세요!") == "ko"
