"""Rich messages of any form, within bounds."""

from hypothesis import given
from hypothesis import strategies as st

from bot.chat.rich_message import flatten

ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from("type text blocks items caption label url entities summary".split()),
            inner | st.sampled_from("list url pre spoiler paragraph mention table".split()),
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(ANY_JSON)
def test_flatten_accepts_any_json(rich_message: object) -> None:
    """Whatever a later version of Telegram sends, reading it raises nothing."""
    flatten(rich_message)
    flatten({"blocks": rich_message})
    flatten({"blocks": [rich_message]})


def test_flatten_is_bounded() -> None:
    """A tree deeper or longer than Telegram allows is read in part."""
    deep: object = "deep"
    for _ in range(5000):
        deep = {"type": "bold", "text": deep}
    long = [{"type": "paragraph", "text": "word " * 1000}] * 1000

    assert flatten({"blocks": ["first", deep, "last"]}).text.split() == ["first", "last"]
    assert len(flatten({"blocks": long}).text) < 100_000
