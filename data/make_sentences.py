"""Make sentences.csv and toy-sentences.csv: labelled sentences written for charlm.

    python data/make_sentences.py

Each sentence says something good or bad of a thing. Half of them are plain. The others need the
order of their words: a word for good under a negation, or two halves of which the second one
counts. Words for good and bad, and the things, are spread evenly over both labels.
"""

import csv
import random
from pathlib import Path

THINGS = [
    "the soup", "the film", "the hotel", "the lamp", "the story", "the bread", "the concert",
    "the garden", "the train", "the jacket", "the lesson", "the coffee", "the bridge", "the song",
    "the market", "the letter", "the speech", "the picnic", "the museum", "the village", "the cake",
    "the morning", "the answer", "the party", "the river", "the painting", "the voice", "the chair",
]  # fmt: skip
GOOD = ["good", "warm", "clear", "lovely", "fresh", "gentle", "bright", "honest"]
BAD = ["bad", "cold", "dull", "ugly", "stale", "harsh", "gloomy", "false"]
PLAIN = [
    "{thing} was {word}",
    "we found {thing} {word} from beginning to end",
    "{thing} is {word} and i will say so to everyone",
    "what a {word} surprise {thing} turned out to be",
]
NEGATED = [
    "{thing} was not {word}",
    "nobody could call {thing} {word}",
    "there was nothing {word} about {thing}",
]
TURNED = [
    "we expected {thing} to be {other} but it was {word}",
    "{thing} looked {other} at first and proved {word} in the end",
]
TOY = [
    ("this soup is good", "positive"),
    ("what a lovely warm evening", "positive"),
    ("this soup is bad", "negative"),
    ("what a dull cold evening", "negative"),
]


def sentences() -> list[tuple[str, str]]:
    """All sentences with their labels, in random order."""
    random_ = random.Random(0)
    made = []
    for label, words, others in (("positive", GOOD, BAD), ("negative", BAD, GOOD)):
        for i, thing in enumerate(THINGS):
            for j in range(16):
                word, other = words[(i + j) % 8], others[(i + 3 * j + j // 8) % 8]
                if j < 8:
                    made.append((PLAIN[j % 4].format(thing=thing, word=word), label))
                elif j < 12:
                    made.append((NEGATED[(i + j) % 3].format(thing=thing, word=other), label))
                else:
                    made.append((TURNED[j % 2].format(thing=thing, word=word, other=other), label))
    random_.shuffle(made)
    return made


def write(name: str, rows: list[tuple[str, str]]) -> None:
    """Write a table beside this file."""
    with (Path(__file__).parent / name).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("text", "label"))
        writer.writerows(rows)


if __name__ == "__main__":
    write("sentences.csv", sentences())
    write("toy-sentences.csv", TOY)
