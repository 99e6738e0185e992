"""The texts of the bench: three lengths, varied so that nothing is repeated."""

# Words of the same length, so that every round has another text.
_FIRST = ("Dinner", "Supper", "Coffee", "Brunch", "Shower")

# New, and of the same length: sent to an idle bot, and right after /stop.
BEFORE_STOP = tuple(
    """Hammer Rocket Banana Button Cellar Dragon Forest Guitar Helmet Insect Jungle Kitten Locker
    Magnet Needle Oyster Parrot Rabbit Salmon Turtle Walnut""".split()
)
AFTER_STOP = tuple(
    """Bottle Carpet Garden Letter Mirror Pencil Ribbon Saddle Ticket Wallet Basket Candle Engine
    Jacket Kettle Ladder Napkin Orange Pillow Window""".split()
)

SHORT = tuple(f"{word} is ready." for word in _FIRST)

# Every clause has another word in each round, since Crier caches what it has spoken.
_MEDIUM = (
    "The {0} has come early today. Please put the {1} into the kitchen, close the {2} before it "
    "rains, and give the {3} her food; we shall be home at about {4}, and perhaps later."
)
MEDIUM = tuple(
    _MEDIUM.format(*words.split())
    for words in (
        "committee shopping windows cat seven",
        "newspaper packages hatches dog eight",
        "directors potatoes garages pig three",
        "secretary tomatoes parasol hen noon",
        "residents biscuits sunroof cow nine",
    )
)

_LONG = (
    "Although the {0} had promised in their first {1} that nothing would be decided before the {2} "
    "holidays had come to an end and everybody had returned from the {3} the new timetable of the "
    "ferry was {4} on the continuous roll of paper. {5} had expected it. The {6} master, who has "
    "finished his work at noon for {7} years, said so. Then he went home, ate his {8} and slept "
    "until the {9}; the ferry left without him, as it always does on {10}. People waited on the "
    "{11}, looked at the {12}, and began to talk about the {13}, about the price of {14}, and "
    "about the {1}. In the end a {15} ran up the hill and brought the old {16} back, which "
    "everybody could {17}, and the {18} boats sailed again as they had always done before all of "
    "that."
)
_LONG_WORDS = """
    committee letter summer mountains printed Nobody harbour thirty soup evening Mondays
    pier water weather fish boy timetable read small

    newspaper report winter vineyards written Everybody station twenty meat morning Fridays
    quay waves traffic bread man newspaper see white

    directors speech spring provinces stamped Somebody village eleven fish weekend Sundays
    road clock cooking milk cat telescope use green

    secretary answer autumn seashores painted Grandmother concert twelve rice sunrise Tuesdays
    hill birds holiday beer dog signboard trust black

    residents advert school countries drawn Grandfather weather forty cake concert Saturdays
    dock sails harvest salt hen photograph praise great
"""
LONG = tuple(_LONG.format(*words.split()) for words in _LONG_WORDS.split("\n\n"))

# Forty messages such as people send, for a recogniser: plain words, so that the transcripts can be
# compared, and long sentences, so that there are cuts.
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

# The Harvard sentences: IEEE Recommended Practice for Speech Quality Measurements, 1969, lists 1-6.
BALANCED = tuple(
    """The birch canoe slid on the smooth planks.
Glue the sheet to the dark blue background.
It's easy to tell the depth of a well.
These days a chicken leg is a rare dish.
Rice is often served in round bowls.
The juice of lemons makes fine punch.
The box was thrown beside the parked truck.
The hogs were fed chopped corn and garbage.
Four hours of steady work faced us.
A large size in stockings is hard to sell.
The boy was there when the sun rose.
A rod is used to catch pink salmon.
The source of the huge river is the clear spring.
Kick the ball straight and follow through.
Help the woman get back to her feet.
A pot of tea helps to pass the evening.
Smoky fires lack flame and heat.
The soft cushion broke the man's fall.
The salt breeze came across from the sea.
The girl at the booth sold fifty bonds.
The small pup gnawed a hole in the sock.
The fish twisted and turned on the bent hook.
Press the pants and sew a button on the vest.
The swan dive was far short of perfect.
The beauty of the view stunned the young boy.
Two blue fish swam in the tank.
Her purse was full of useless trash.
The colt reared and threw the tall rider.
It snowed, rained, and hailed the same morning.
Read verse out loud for pleasure.
Hoist the load to your left shoulder.
Take the winding path to reach the lake.
Note closely the size of the gas tank.
Wipe the grease off his dirty face.
Mend the coat before you go out.
The wrist was badly strained and hung limp.
The stray cat gave birth to kittens.
The young girl gave no clear response.
The meal was cooked before the bell rang.
What joy there is in living.
A king ruled the state in the early days.
The ship was torn apart on the sharp reef.
Sickness kept him home the third week.
The wide road shimmered in the hot sun.
The lazy cow lay in the cool grass.
Lift the square stone over the fence.
The rope will bind the seven books at once.
Hop over the fence and plunge in.
The friendly gang left the drug store.
Mesh wire keeps chicks inside.
The frosty air passed through the coat.
The crooked maze failed to fool the mouse.
Adding fast leads to wrong sums.
The show was a flop from the very start.
A saw is a tool used for making boards.
The wagon moved on well oiled wheels.
March the soldiers past the next hill.
A cup of sugar makes sweet fudge.
Place a rosebush near the porch steps.
Both lost their lives in the raging storm.""".split("\n")
)
