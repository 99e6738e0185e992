"""What is said in the bench: three lengths, varied so that nothing is repeated."""

# Words of one length, so that every round has a text of its own.
_FIRST = ("Dinner", "Supper", "Coffee", "Brunch", "Shower")
_SECOND = ("committee", "newspaper", "directors", "secretary", "residents")

SHORT = tuple(f"{word} is ready." for word in _FIRST)

MEDIUM = tuple(
    f"The {word} has come early today. Please put the shopping into the kitchen, close the windows "
    "before it rains, and give the cat her food; we shall be home at about seven, perhaps later."
    for word in _SECOND
)

LONG = tuple(
    f"Although the {word} had promised in the first letter that nothing would be decided before "
    "the summer holidays had come to an end and everybody had returned from the mountains the new "
    "timetable of the ferry was printed on the continuous roll of paper. "
    "Nobody had expected it. The harbour master, who has finished his work at noon for thirty "
    "years, said so. Then he went home, ate his soup and slept until the evening; the ferry left "
    "without him, as it always does on Mondays. People waited on the pier, looked at the water, "
    "and began to talk about the weather, about the price of fish, and about the letter. In the "
    "end a boy ran up the hill and brought the old timetable back, which everybody could read, and "
    "the boats sailed again as they had always done before all that."
    for word in _SECOND
)
