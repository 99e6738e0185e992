"""What is said in the bench: three lengths, varied so that nothing is repeated."""

# Words of one length, so that every round has a text of its own.
_FIRST = ("Dinner", "Supper", "Coffee", "Brunch", "Shower")
_SECOND = ("committee", "newspaper", "directors", "secretary", "residents")
_PAPERS = ("letter", "report", "speech", "answer", "advert")

# Unsaid before, and as long: what is sent right after /stop.
AFTER_STOP = tuple(
    """Bottle Carpet Garden Letter Mirror Pencil Ribbon Saddle Ticket Wallet Basket Candle Engine
    Jacket Kettle Ladder Napkin Orange Pillow Window""".split()
)

SHORT = tuple(f"{word} is ready." for word in _FIRST)

MEDIUM = tuple(
    f"The {word} has come early today. Please put the shopping into the kitchen, close the windows "
    "before it rains, and give the cat her food; we shall be home at about seven, perhaps later."
    for word in _SECOND
)

# Every sentence of it has a word of its own in each round, since Crier keeps what it has said.
LONG = tuple(
    f"Although the {word} had promised in their first {paper} that nothing would be decided before "
    "the summer holidays had come to an end and everybody had returned from the mountains the new "
    "timetable of the ferry was printed on the continuous roll of paper. "
    f"{nobody} had expected it. The {warm} master, who has finished his work at noon for thirty "
    f"years, said so. Then he went home, ate his {soup} and slept until the evening; the ferry "
    f"left without him, as it always does on {day}s. People waited on the {pier}, looked at the "
    f"water, and began to talk about the {price}, about the price of fish, and about the letter. "
    f"In the end a {boy} ran up the hill and brought the old timetable back, which everybody could "
    f"read, and the {small} boats sailed again as they had always done before all of that."
    for word, paper, nobody, warm, soup, day, pier, price, boy, small in zip(
        _SECOND,
        _PAPERS,
        ("Nobody", "No man", "No one", "No boy", "Nobody"),
        ("harbour", "station", "village", "concert", "weather"),
        ("soup", "meat", "fish", "rice", "cake"),
        ("Monday", "Friday", "Sunday", "Monday", "Friday"),
        ("pier", "quay", "road", "hill", "dock"),
        ("weather", "traffic", "cooking", "holiday", "harvest"),
        ("boy", "man", "cat", "dog", "hen"),
        ("small", "white", "green", "black", "great"),
        strict=True,
    )
)

# Forty messages of the kinds that people send, to be understood by a recogniser: plain words, so
# that what it writes can be compared, and long sentences, so that there are cuts.
MESSAGES = (
    "Dinner is ready.",
    "Could somebody please open the door? I have my hands full.",
    "The train is late, so I will be home at about seven.",
    "Please take the washing out of the machine before it smells.",
    "Do not forget that grandmother comes on Sunday, and that she likes the blue cups.",
    "I bought bread, butter, cheese and apples, but they had no milk left.",
    "There is a parcel for you at the post office behind the old station.",
    "When you have finished your homework you may go out and play until the lamps are lit.",
    "The doctor said that everything is fine and that I should drink more water.",
    "Turn off the oven in ten minutes and leave the cake inside until it has cooled down.",
    "The committee has finished its work and will print the results on the continuous paper roll.",
    "Somebody left the gate open, and the dog ran down to the river.",
    "If it rains this afternoon we shall stay inside and watch the film that your sister brought.",
    "My telephone is almost empty. I will call again from the office.",
    "The plumber comes tomorrow between nine and eleven, so one of us has to stay at home.",
    "Happy birthday! We are all very proud of you.",
    "Although nobody had expected it the small boat reached the harbour before the storm began.",
    "Put the red folder on my desk and give the yellow one to the woman from the bank.",
    "We walked along the river and over the bridge and through the park until we were tired.",
    "The meeting was moved to the big room on the third floor.",
    "Why is there a ladder in the kitchen? Nobody told me that we would paint the ceiling today.",
    "He has lost his keys again and waits in front of the house with two bags and a cold fish.",
    "The teacher wants to talk about the journey to the mountains with the parents of every child.",
    "Good morning. The sun is shining, the coffee is hot, and the cat sits on your chair.",
    "Please bring the tools that are lying on the bench in the garden before it gets dark.",
    "I think that we should sell the old car because the repairs would cost more than a new one.",
    "The neighbours are on holiday, and I promised to water their flowers every second day.",
    "As soon as the last guest has gone we can carry the tables back and sweep the floor.",
    "Your brother called from the airport to say that his flight was cancelled.",
    "Stop reading and come down, the soup is getting cold.",
    "The man who repaired the roof of the church last summer lives in the house beside the mill.",
    "There was nothing in the letter box except a bill and a postcard from the sea.",
    "Remember to lock the back door and to close the windows on the upper floor when you leave.",
    "She asked whether we could lend her the long table and the benches for the wedding.",
    "It is so quiet here that one can hear the clock in the next room.",
    "The shop around the corner closes at six, and tomorrow it stays closed the whole day.",
    "After the concert we went to a small restaurant where they still make the bread themselves.",
    "The children built a castle out of boxes and would not let anybody come into the room.",
    "Because of the snow the bus stops at the bottom of the hill and you have to walk the rest.",
    "Sleep well. Tomorrow is another day, and the work will still be there.",
)
