"""espeak-ng's phonemes in the alphabet that Kokoro was trained on."""

import logging

import pytest
from kokoro_onnx.config import DEFAULT_VOCAB

from audio.kokoro.alphabet import VOCABULARY, marks, to_kokoro


def test_vocabulary_is_the_models() -> None:
    """The signs are those of the model's own file."""
    assert frozenset(DEFAULT_VOCAB) == VOCABULARY


@pytest.mark.parametrize(
    ("ipa", "american", "british"),
    [
        ("d^ʒˈɔ^ɪ^nt t^ʃˈe^ɪnd^ʒ", "ʤˈYnt ʧˈAnʤ", "ʤˈYnt ʧˈAnʤ"),
        ("ɡˌo^ʊ hˈə^ʊm nˈa^ʊ lˈa^ɪk", "ɡˌO hˈOm nˈW lˈIk", "ɡˌQ hˈQm nˈW lˈIk"),
        ("nˈɜːs lˈɪɾə^l bˈɛɾɚ", "nˈɜɹs lˈɪTᵊl bˈɛTəɹ", "nˈɜːs lˈɪTᵊl bˈɛTəɹ"),
        ("bˈʌʔn\u0329 ɹˈɪðm\u0329", "bˈʌtᵊn ɹˈɪðᵊm", "bˈʌtᵊn ɹˈɪðᵊm"),
        ("hˈe^əɹ nˌi^ə pˈɑːst", "hˈAəɹ nˌiə pˈɑst", "hˈɛːɹ nˌɪə pˈɑːst"),
        ("ɐ kwˈɑːsɑ\u0303 lˈɒx", "ə kwˈɑsɑn lˈɒk", "ə kwˈɑːsɑn lˈɒk"),
        ("ˈækʃən ɡˈɑː^ɹdən", "ˈækʃən ɡˈɑɹdᵊn", "ˈækʃᵊn ɡˈɑːɹdᵊn"),
        ("fjˈuːnɚɹə^l fˈoːɹ", "fjˈunəɹᵊl fˈɔɹ", "fjˈuːnəɹᵊl fˈɔːɹ"),
    ],
)
def test_to_kokoro_writes_english_as_the_model_learned_it(
    ipa: str, american: str, british: str
) -> None:
    """Diphthongs and affricates are one sign; length marks are British."""
    assert to_kokoro(ipa, "en-us") == american
    assert to_kokoro(ipa, "en-gb") == british


@pytest.mark.parametrize(
    ("lang", "ipa", "kokoro"),
    [
        ("es", "ot^ʃˌɛntaɪkwˈatɾo", "oʧˌɛntaɪkwˈatɾo"),
        ("fr-fr", "le-z ɑ\u0303fˈɑ\u0303 œ\u0303", "lez ɑ\u0303fˈɑ\u0303 œ\u0303"),
        ("hi", "h\u0169 ʈʰˈiːk bʱˈaːi", "hu\u0303 ʈʰˈiːk bʰˈaːi"),
        ("it", "amˈit^ʃɪ pˈit^ssa rˈos^sɪ", "amˈiʧɪ pˈiʦsa rˈoSɪ"),
        ("pt-br", "nˌɐ\u0303ʊ\u0303 fˈa^ɪ", "nˌɐ\u0303ʊ\u0303 fˈI"),
        ("de", "ʃtˈʏk hˈɔ^øtə dˈɛɾ", "ʃtˈyk hˈYtə dˈɛɐ"),
        ("cs", "trˈ\u031d r\u031dˈeka cˈelo", "trˈ rʒˈeka tʲˈelo"),
        ("ru", "fsʲˈɵ dʲˈeɭa", "fsʲˈo dʲˈela"),
        ("sv", "s^xˈʉː bˈɵs", "ʃˈyː bˈʊs"),
        ("tr", "ɟynˈɛʃ ˈɯɫɯk", "ɡʲynˈɛʃ ˈɯlɯk"),
        ("ar", "mrħbˈaː sˤabˈaːħ ʕajn", "mrhbˈaː sabˈaːh ʔajn"),
        ("ko", "t^ɕ^hˈum ˈiqɐ", "ʨʰˈum ˈikɐ"),
        ("vi", "t^ʃˈaː2w bˈaː6n", "ʧˈaː↘w bˈaː↘n"),
        ("cmn", "ni2χˈɑ^u2 s.ˈi.5", "ni↗xˈɑu↗ ʂˈɨ→"),
        ("pl", "xʃˈɔ\u0303ʃt^ʃ ʑˈima ʐˈabˈa", "xʃˈɔ\u0303ʃʧ ʒˈima ʒˈabˈa"),
    ],
)
def test_to_kokoro_writes_the_nearest_sound(lang: str, ipa: str, kokoro: str) -> None:
    """Sounds that the model does not know become those that are nearest to them."""
    assert to_kokoro(ipa, lang) == kokoro
    assert VOCABULARY.issuperset(kokoro)


def test_to_kokoro_logs_what_it_leaves_out(caplog: pytest.LogCaptureFixture) -> None:
    """A sign that no table has is reported, not dropped silently."""
    with caplog.at_level(logging.DEBUG):
        assert to_kokoro("aǃa", "de") == "aa"

    assert "no sign for 'ǃ'" in caplog.text


def test_marks_are_those_that_the_model_knows() -> None:
    """Quotes, brackets and the marks of other scripts become what the model was trained with."""
    assert marks("«¡[–]?»", "es") == "“(—)?”"
    assert marks("。！，؟।", "hi") == ".!,?."
    assert marks(";", "el") == "?"
