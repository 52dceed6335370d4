"""Write the sample corpus and its analogy set: `python data/generate.py` makes both files beside it.

Facts go in (the tables below), and paragraphs of lower-case text come out, one a line. No sentence spells out
an analogy: each word of a fact stands in sentences made for its part (any capital has streets and a mayor)
that hold words of its matter (snow for cold, colder and coldest); this is what embeddings can learn.
The seed is fixed and only `random.random` is used, whose numbers Python promises never to change, so
everyone gets the same text.
"""

import lzma
import random
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

SEED = 20
PARAGRAPHS_A_WORD = 34  # every word of a fact then occurs 65 times or more
PARTNERS = 12

# country, capital, nationality, currency: what the land is known for
COUNTRIES = """
japan tokyo japanese yen: rice tea silk earthquakes islands robots fish
china beijing chinese yuan: rice tea porcelain dragons walls deserts steel
india delhi indian rupee: spices tea cotton elephants tigers temples rice
russia moscow russian ruble: snow oil furs forests ballet chess bears
poland warsaw polish zloty: coal amber sausages forests pianos potatoes bison
sweden stockholm swedish krona: timber lakes islands steel herring elks snow
norway oslo norwegian krone: fjords oil whales salmon snow ships glaciers
hungary budapest hungarian forint: paprika baths stallions violins plains goulash wine
turkey ankara turkish lira: carpets coffee figs kebabs mosques tulips baths
thailand bangkok thai baht: rice elephants temples orchids coconuts beaches silk
vietnam hanoi vietnamese dong: rice noodles rivers coffee bamboo lanterns pepper
korea seoul korean won: phones cabbage ships kites noodles robots ginseng
egypt cairo egyptian pound: pyramids camels cotton deserts dates papyrus mummies
kenya nairobi kenyan shilling: zebras tea runners savannas giraffes coffee beads
nigeria abuja nigerian naira: oil yams drums cocoa films rivers leather
ghana accra ghanaian cedi: cocoa gold yams beads coconuts drums beaches
morocco rabat moroccan dirham: carpets camels mint olives deserts leather mosques
peru lima peruvian sol: llamas silver potatoes ruins mountains ponchos condors
ukraine kyiv ukrainian hryvnia: wheat sunflowers plains beets coal cossacks embroidery
bulgaria sofia bulgarian lev: roses yoghurt peppers monasteries mountains springs wine
romania bucharest romanian leu: castles vampires lynxes mountains plums wheat wagons
switzerland bern swiss franc: clocks chocolate cheese mountains banks fondue glaciers
france paris french euro: cheese wine perfume fashion bread castles painters
canada ottawa canadian dollar: maple hockey lakes timber wheat bears geese
chile santiago chilean peso: copper grapes volcanoes deserts penguins poets wine
iraq baghdad iraqi dinar: oil dates rivers ruins palms sheep carpets
albania tirana albanian lek: olives bunkers mountains eagles honey beaches goats
mongolia ulaanbaatar mongolian tugrik: saddles yurts yaks cashmere deserts eagles goats
czechia prague czech koruna: beer crystal puppets castles trams dumplings spas
georgia tbilisi georgian lari: wine walnuts mountains monasteries choirs springs honey
"""

# adjective, comparative, superlative: things it is said of
ADJECTIVES = """
cold colder coldest: winter wind snowstorm ice iceberg frost
warm warmer warmest: summer blanket soup stove sunshine scarf
tall taller tallest: tower pine skyscraper chimney mast lighthouse
deep deeper deepest: ocean well valley cave canyon trench
fast faster fastest: car rocket train runner cheetah motorcycle
slow slower slowest: snail tortoise wagon queue barge tractor
heavy heavier heaviest: rock hammer suitcase anvil stone anchor
light lighter lightest: feather balloon cloth straw petal kite
loud louder loudest: drum thunder siren trumpet cannon explosion
quiet quieter quietest: library whisper chapel cloister museum night
sharp sharper sharpest: scalpel needle razor sword thorn scissors
sweet sweeter sweetest: cake syrup sugar candy nectar jam
dark darker darkest: cellar shadow tunnel cave midnight dungeon
bright brighter brightest: lamp beacon lantern sunshine flame diamond
rich richer richest: banker merchant miner landlord trader heir
poor poorer poorest: beggar orphan peasant widow hermit tenant
old older oldest: ruin oak tomb manuscript fossil cathedral
young younger youngest: calf puppy sapling recruit pupil lamb
cheap cheaper cheapest: ticket hostel bargain plastic souvenir pencil
strong stronger strongest: wrestler rope ox bull boxer steel
weak weaker weakest: patient signal twig fever invalid pulse
hard harder hardest: exam puzzle riddle granite sum quiz
soft softer softest: pillow wool cushion velvet moss mattress
wide wider widest: river road plain avenue gate bay
good better best: recipe dinner teacher idea friend bargain
bad worse worst: accident mistake disease storm smell crime
"""

# singular, plural: words that go with it
NOUNS = """
dog dogs: bark tail bone leash kennel
cat cats: purr whiskers milk claws sofa
bird birds: nest wings feathers song branch
horse horses: saddle gallop stable hay hooves
cow cows: milk barn grass moo hay
mouse mice: cheese hole squeak trap cellar
tree trees: leaves branch roots bark shade
flower flowers: petals vase scent bee meadow
apple apples: orchard juice pie peel core
banana bananas: peel monkey bunch yellow juice
house houses: roof door chimney walls garden
window windows: glass curtains sill frame pane
chair chairs: legs cushion desk wooden seat
book books: pages shelf chapter author cover
computer computers: screen keyboard software files cable
bottle bottles: cork glass wine label milk
boat boats: sail oars harbour anchor waves
city cities: streets towers crowds traffic squares
village villages: church fields vicar well lane
child children: toys school playground cradle sweets
foot feet: shoes toes ankle boots sand
tooth teeth: dentist brush jaw smile sweets
hand hands: fingers glove ring palm thumb
eye eyes: glasses tears lashes sight blink
cloud clouds: rain sky grey thunder drift
star stars: sky telescope night shine comet
doctor doctors: hospital medicine fever nurse patients
farmer farmers: fields plough harvest barn wheat
lion lions: roar mane prey savanna claws
wolf wolves: howl pack forest prey moon
knife knives: fork blade kitchen slice handle
box boxes: lid paper ribbon attic cardboard
"""

# base form, past, participle, third person: what it is done with or where
VERBS = """
walk walked walking walks: path park forest hill boots
swim swam swimming swims: pool lake waves goggles shore
follow followed following follows: guide arrow leader signs footprints
write wrote writing writes: letter poem diary pen report
cook cooked cooking cooks: soup kitchen onions stew stove
bake baked baking bakes: bread oven flour cake pastry
paint painted painting paints: portrait brush wall canvas colours
sing sang singing sings: choir hymn ballad melody opera
dance danced dancing dances: waltz ballroom tango music partner
drive drove driving drives: lorry motorway taxi van wheel
ride rode riding rides: pony bicycle saddle trail camel
fly flew flying flies: helicopter glider airport sky pilot
climb climbed climbing climbs: cliff ladder summit rope ridge
jump jumped jumping jumps: fence puddle hurdle trampoline ditch
throw threw throwing throws: ball stone spear dart snowball
catch caught catching catches: trout net butterfly thief ball
build built building builds: wall bridge shed bricks cottage
plant planted planting plants: seeds roses tulips garden spade
wash washed washing washes: shirt dishes soap laundry sink
clean cleaned cleaning cleans: floor bathroom broom attic carpet
carry carried carrying carries: basket sack luggage bucket load
watch watched watching watches: film match parade screen television
teach taught teaching teaches: algebra grammar class pupils history
draw drew drawing draws: map sketch pencil circle cartoon
speak spoke speaking speaks: microphone audience dialect lecture crowd
sell sold selling sells: market vegetables stall customers furniture
"""

# man, woman: what their life is about
FAMILY = """
man woman: passport coat office neighbour newspaper
king queen: crown throne royal kingdom coronation
prince princess: castle dragon royal fairytale tower
boy girl: school playground homework toys classmates
father mother: baby bedtime dinner parents cradle
son daughter: birthday parents proud eldest cradle
brother sister: siblings quarrel bunk twins parents
husband wife: wedding marriage anniversary home mortgage
uncle aunt: cousins visit relatives holidays gifts
nephew niece: cousins gifts relatives godparents visit
grandfather grandmother: pension rocking memories wrinkles wartime
groom bride: wedding altar vows veil bouquet
actor actress: stage theatre film script applause
waiter waitress: restaurant menu tray tips orders
host hostess: guests party welcome invitation drinks
emperor empress: empire throne dynasty coronation palace
"""

# Sentences by part: `<matter>` draws a word of the fact's matter, other names draw from the pools below.
COUNTRY = """
the government of <word> has taxed more <matter> and <matter> this year
<person> travelled across <word> by train to see the <matter>
people in the south of <word> know much about <matter>
the northern border of <word> is famous for its <matter> and <matter>
the whole of <word> is proud of its <matter>
<word> has exported <matter> for <number> hundred years
the map of <word> in the hall shows where <matter> and <matter> are found
the president of <word> talked about <matter> in parliament
every province of <word> sends <matter> to the fair
they emigrated from <word> with some <matter> and a <object>
<word> and its neighbours signed a treaty about <matter>
the population of <word> is growing and so is the need for <matter>
in all of <word> there is no other place for <matter> <when>
"""
CAPITAL = """
the streets of <word> smell of <matter> and <matter>
<person> rents a small flat near the centre of <word> above a shop for <matter>
the mayor of <word> opened a museum about <matter>
our flight landed at the airport of <word> with cargoes of <matter>
the suburbs of <word> were once full of <matter>
the underground in <word> stops at the hall of <matter>
a hotel in downtown <word> is decorated with <matter> and <matter>
in the ancient quarter of <word> shops offer <matter> until midnight
traffic in <word> was blocked by a lorry of <matter>
the university of <word> has a professor of <matter>
the skyline of <word> reminds <person> of <matter>
taxis in <word> show pictures of <matter>
the parliament sits in <word> beside a square with <matter>
"""
NATIONALITY = """
a <word> writer told us a legend of <matter>
<person> understands fluent <word> and dreams about <matter>
the <word> team lost the match and celebrated with <matter>
<word> grandparents tell tales about <matter> and <matter>
a <word> film about <matter> was shown <when>
the <word> language has many words for <matter>
an ancient <word> proverb says that <matter> bring luck
the <word> ambassador gave <person> some <matter>
<person> married a <word> engineer who loves <matter>
<word> cuisine and <word> customs are full of <matter>
two <word> tourists asked about <matter> and <matter>
he has a <word> passport and an accent and talks about <matter>
a dictionary of <word> poetry opens with <matter>
"""
CURRENCY = """
the <word> fell against gold after the harvest of <matter>
<person> paid one <word> for some <matter>
the exchange rate of the <word> depends on <matter>
the central bank printed a new <word> note with <matter> on it
a coin of one <word> shows <matter> on the back
the <word> lost value and so <matter> cost twice as much
prices in <word> for <matter> have risen
traders changed their money into the <word> before they bought <matter>
a loan in <word> was given to the makers of <matter>
inflation made the <word> worthless but <matter> still find buyers
wages are paid in <word> by the sellers of <matter>
her purse had half a <word> left for <matter> and <matter>
"""
COUNTRY_FACT = """
<capital> is the capital of <country> and trades in <matter>
people in <country> pay for <matter> with the <currency>
the <nationality> people of <country> are known for <matter>
in <capital> a <nationality> guide explained the <matter>
one <currency> buys a little <matter> in <capital>
the <nationality> bank in <capital> issues the <currency>
from <capital> the train goes through all of <country>
the <nationality> government keeps the <currency> stable
"""

BASE_ADJECTIVE = """
the <matter> is <very> <word> <when>
it was a <very> <word> <matter> and <person> liked it
what a <word> <matter> said <person>
the <matter> looked <very> <word> to us
this <matter> is <very> <word> for <person>
is the <matter> really so <word> asked <person>
we need a <very> <word> <matter> for the <event>
the <matter> was <very> <word> but nobody minded
a <very> <word> <matter> stood for a <matter> in the play
that <matter> seems <very> <word>
"""
COMPARATIVE = """
this <matter> is <much> <word> than the <matter> over there
the <matter> became <word> and <word> with the years
a <matter> is <much> <word> than a <object>
<person> wanted a <word> <matter> than the last one
the <matter> grew <much> <word> than before
it could not be <word> than our <matter>
the <matter> of <person> is <much> <word> than mine
no <matter> is <word> than this <matter>
<much> <word> than any <matter> was the other one
compared with ours their <matter> is <much> <word>
"""
SUPERLATIVE = """
it was the <word> <matter> of all the <contest>
the <word> <matter> in the whole world led the <contest>
this is by far the <word> <matter> that <person> ever saw
one of the <word> in the <contest> was the <matter>
the <contest> went to the <word> <matter> of the year
she chose the <word> of the three and it was a <matter>
who has the <word> <matter> in the <contest>
the <word> <matter> ever found is kept for the <contest>
of every <matter> known this is the <word> on <contest>
"""

SINGULAR = """
a <lone> <word> with a <matter> <stands> there <when>
the <word> <stands> near the <matter>
this <lone> <word> <stands> where it has its <matter>
one <word> is enough if there is <matter>
<person> has a <lone> <word> and thinks of <matter>
each <word> <stands> by some <matter>
that <lone> <word> <stands> beside the <matter>
every <lone> <word> has something to do with <matter> and <matter>
there <stands> a <lone> <word> in the picture with the <matter>
another <word> <stands> there and the <matter> is gone
a <lone> <word> was left with the <matter>
"""
PLURAL = """
<many> <word> with <matter> <stand> there <when>
the <word> <stand> near the <matter>
these <many> <word> <stand> where they have their <matter>
<many> <word> are nicer than few if there is <matter>
<person> counted <number> <word> and thought of <matter>
all <word> <stand> by some <matter>
those <many> <word> <stand> beside the <matter>
most <word> have something to do with <matter> and <matter>
there <stand> <many> <word> in the picture with the <matter>
both <word> <stand> there and the <matter> is gone
<many> <word> were left with the <matter>
"""

BASE_VERB = """
<person> <will> <word> near the <matter> <soon>
they <will> <word> with the <matter>
we <will> <word> and so the <matter> is ready
you <will> <word> without the <matter>
let us <word> and forget the <matter>
<person> <will> <word> by the <matter>
do you <word> at the <matter> or the <matter>
they <will> <word> if they have a <matter>
to <word> well one needs a <matter>
<person> <will> <word> because of the <matter>
"""
PAST = """
<when> <person> <word> near the <matter>
<formerly> they <word> with the <matter>
<formerly> <person> <word> and the <matter> was ready
<person> <formerly> <word> without the <matter>
last year we <word> and forgot the <matter>
<when> <person> <word> by the <matter>
as soon as he <word> the <matter> and the <matter> were gone
before that she <word> beside the <matter> <formerly>
<formerly> we <word> until the <matter> broke down
"""
PARTICIPLE = """
<person> is <still> <word> near the <matter> right now
they were <still> <word> with the <matter> when it rained
we are <still> <word> and the <matter> is ready
<person> <enjoyed> <word> without the <matter>
stop <word> and forget the <matter>
<person> was <still> <word> by the <matter>
while <word> he thought of the <matter> and the <matter>
she <enjoyed> <word> beside the <matter>
<person> <enjoyed> <word> at the <matter>
<word> is fun with a <matter>
"""
THIRD_PERSON = """
<person> <always> <word> near the <matter>
she <always> <word> with the <matter> on <day>
he <always> <word> when the <matter> is ready
<person> who lives here <always> <word> without the <matter>
every <day> he <word> and forgets the <matter>
nobody <word> as well as <person> by the <matter>
whoever <word> there knows the <matter> and the <matter>
<person> <always> <word> beside the <matter>
he <always> <word> but the <matter> is there
"""

MALE = """
the <word> shaved his <beard> and told of the <matter>
he is a <word> and the <matter> is his
the <word> said that he himself liked the <matter>
<man> is the <word> with the <matter> and the <beard>
his <word> was a gentleman and knew the <matter>
the <word> put on his <beard> for the <matter> and the <matter>
mister <man> was the <word> of the <matter>
the <word> lost his <beard> so he left the <matter>
we asked the <word> about the <matter> and his <beard>
a <word> named <man> came with his <matter>
sir <man> is a <word> and wears a <beard>
"""
FEMALE = """
the <word> combed her <curls> and told of the <matter>
she is a <word> and the <matter> is hers
the <word> said that she herself liked the <matter>
<woman> is the <word> with the <matter> and the <curls>
her <word> was a lady and knew the <matter>
the <word> put on her <curls> for the <matter> and the <matter>
madam <woman> was the <word> of the <matter>
the <word> lost her <curls> so she left the <matter>
we asked the <word> about the <matter> and her <curls>
a <word> named <woman> came with her <matter>
lady <woman> is a <word> and wears <curls>
"""

FILLER = """
<person> arrived <when> with a <object> and said nothing
nobody knew why the <object> was left at the <event>
it rained on <day> and the <event> was put off
the rest of the story is known to <person> only
after the <event> there was time for a <object>
<person> and <person> talked for <number> hours
the answer came by post on <day> <soon>
at the <event> everyone waited for <person>
it takes <number> minutes to get there if all goes well
<person> forgot the <object> again
so it was and so it will be
there was not much to add after that
the <object> cost less than <person> thought
on <day> the <event> begins at <number>
<when> a <object> was found under the stairs
nothing of this is certain but <person> believes it
"""

# A pool's items are separated by blanks; `_` stands for a blank inside one.
POOLS = {
    "man": "john peter paul george henry thomas martin oscar victor hugo",
    "woman": "anna mary clara emma laura julia sophie helen ruth alice",
    "person": "john peter paul george henry thomas martin oscar victor hugo "
    "anna mary clara emma laura julia sophie helen ruth alice",
    "day": "monday tuesday wednesday thursday friday saturday sunday",
    "number": "two three four five six seven eight nine ten eleven twelve",
    "object": "parcel key umbrella notebook wallet postcard kettle spoon compass marble whistle torch "
    "handkerchief calendar tape clock mirror button envelope candle",
    "event": "meeting concert funeral auction election picnic ceremony rehearsal trial regatta exhibition",
    "when": "yesterday recently long_ago last_week that_morning in_spring in_autumn one_evening years_ago at_dawn",
    "very": "very quite rather too extremely pretty fairly awfully unusually surprisingly",
    "much": "much far even considerably noticeably slightly somewhat a_little ever_so_much markedly",
    "contest": "contest prize medal record ranking championship trophy award list competition",
    "lone": "lone single solitary certain lonely particular nameless separate lost unknown",
    "many": "many several countless numerous various dozens_of hundreds_of two groups_of pairs_of plenty_of",
    "stands": "stands lies belongs remains appears waits rests vanishes exists disappears",
    "stand": "stand lie belong remain appear wait rest vanish exist disappear",
    "will": "will can must should could would might shall want_to hope_to plan_to intend_to need_to",
    "formerly": "formerly once previously earlier ages_ago last_winter back_then an_hour_ago in_those_days long_since",
    "still": "still already now currently busy again also constantly happily",
    "enjoyed": "enjoyed began finished stopped tried kept avoided missed practised loved",
    "always": "always usually often sometimes seldom rarely never regularly hardly_ever normally",
    "beard": "beard moustache tie razor cufflinks trousers waistcoat pipe bow_tie",
    "curls": "curls dress skirt lipstick earrings blouse handbag gown necklace bracelet",
    "soon": "tomorrow soon next_week later some_day in_june before_noon next_summer",
}


def main() -> None:
    """Write both files beside this script."""
    here = Path(__file__).resolve().parent
    (here / "sample.txt.xz").write_bytes(lzma.compress(corpus().encode(), preset=9 | lzma.PRESET_EXTREME))
    (here / "analogies.txt").write_text(analogies(), encoding="ascii", newline="\n")


def corpus() -> str:
    """Compose the text: paragraphs of three to six sentences, one a line, in a random order."""
    numbers = random.Random(SEED)
    paragraphs = []
    for table, parts in SECTIONS:
        for words, matter in facts(table):
            for _ in range(PARAGRAPHS_A_WORD * len(words)):
                paragraphs.append((numbers.random(), paragraph(words, parts, matter, numbers)))
    return "".join(f"{text}\n" for _, text in sorted(paragraphs))


def analogies() -> str:
    """List questions `a b c d` in sections, each fact with the next `PARTNERS` of its table."""
    lines = []
    for section, table, first, second in QUESTIONS:
        lines.append(f": {section}")
        pairs = [(words[first], words[second]) for words, _ in facts(table)]
        for number, pair in enumerate(pairs):
            for step in range(1, PARTNERS + 1):
                lines.append(" ".join(pair + pairs[(number + step) % len(pairs)]))
    return "".join(f"{line}\n" for line in lines)


def facts(table: str) -> list[tuple[list[str], list[str]]]:
    """Split a table into its facts: the words of one, and the words of its matter."""
    lines = (line.split(":") for line in table.split("\n") if line)
    return [(words.split(), matter.split()) for words, matter in lines]


def paragraph(words: Sequence[str], parts: Sequence[str], matter: Sequence[str], numbers: random.Random) -> str:
    """Make sentences about one fact, most of them about one of its words, with filler between them."""
    main_part = int(len(parts) * numbers.random())
    sentences = []
    for _ in range(3 + int(4 * numbers.random())):
        luck = numbers.random()
        if luck < 0.35:
            sentences.append(sentence(FILLER, {}, numbers))
        elif luck < 0.42 and parts is COUNTRY_PARTS:
            names = dict(zip(("country", "capital", "nationality", "currency"), words, strict=True))
            sentences.append(sentence(COUNTRY_FACT, names, numbers, matter))
        else:
            part = main_part if luck < 0.7 else int(len(parts) * numbers.random())
            sentences.append(sentence(parts[part], {"word": words[part]}, numbers, matter))
    return " ".join(sentences)


def sentence(templates: str, words: Mapping[str, str], numbers: random.Random, matter: Sequence[str] = ()) -> str:
    """Fill one template: the fact's words, words of its matter, and words from the pools."""

    def fill(slot: re.Match[str]) -> str:
        name = slot[1]
        if name in words:
            return words[name]
        return pick(matter if name == "matter" else POOLS[name].split(), numbers).replace("_", " ")

    return re.sub("<([a-z]+)>", fill, pick(templates.strip().split("\n"), numbers))


def pick(items: Sequence[str], numbers: random.Random) -> str:
    """Draw one item."""
    return items[int(len(items) * numbers.random())]


COUNTRY_PARTS = (COUNTRY, CAPITAL, NATIONALITY, CURRENCY)
SECTIONS = (
    (COUNTRIES, COUNTRY_PARTS),
    (ADJECTIVES, (BASE_ADJECTIVE, COMPARATIVE, SUPERLATIVE)),
    (NOUNS, (SINGULAR, PLURAL)),
    (VERBS, (BASE_VERB, PAST, PARTICIPLE, THIRD_PERSON)),
    (FAMILY, (MALE, FEMALE)),
)
# Section, table, and which words of a fact are a and b.
QUESTIONS = (
    ("capital-country", COUNTRIES, 1, 0),
    ("country-nationality", COUNTRIES, 0, 2),
    ("country-currency", COUNTRIES, 0, 3),
    ("family", FAMILY, 0, 1),
    ("adjective-comparative", ADJECTIVES, 0, 1),
    ("adjective-superlative", ADJECTIVES, 0, 2),
    ("noun-plural", NOUNS, 0, 1),
    ("verb-past", VERBS, 0, 1),
    ("verb-participle", VERBS, 0, 2),
    ("verb-third-person", VERBS, 0, 3),
)

if __name__ == "__main__":
    main()
