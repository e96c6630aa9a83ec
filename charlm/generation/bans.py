"""Strings that are never written."""

from collections.abc import Collection, Sequence

import numpy as np

from charlm.errors import SettingError
from charlm.generation.engine import Array
from charlm.text.vocabulary import UNKNOWN_ID, Ids, Vocabulary


class Bans:
    """Leaves no probability to an entry that would complete a banned string.

    What is remembered of a text is the longest end of it that a banned string begins with: the
    state of the automaton of Aho and Corasick (1975). So a string is seen wherever it began, in
    the prefix too, and entries may have several characters.

    Entries after which no text could go on without a banned string are left out as well.

    Args:
        vocabulary: its entries are written.
        strings: the banned ones, none of them empty.
    """

    def __init__(self, vocabulary: Vocabulary, strings: Sequence[str]) -> None:
        self.vocabulary = vocabulary
        beginnings = {each[:n] for each in strings for n in range(len(each))}
        # The numbers of the states; beyond them stands the one in which a string is complete.
        self.states = {each: n for n, each in enumerate(sorted(beginnings, key=by_length))}
        self.after = after_entries(vocabulary, automaton(self.states, set(strings)))
        self.banned = without_dead_ends(self.after)

    def begin(self, context: Ids) -> Array:
        """See `charlm.generation.steering.Steering`.

        Raises:
            SettingError: nothing can be written.
        """
        longest = max(map(len, self.states))
        text = self.vocabulary.decode(context[-longest:] if longest else [])
        ends = (text[start:] for start in range(len(text) + 1))
        state = next(self.states[each] for each in ends if each in self.states)
        if self.banned[state].all():
            raise SettingError("ban", "leaves nothing that can be written: ban less.")
        return np.array([state])

    def change(self, logits: Array, memory: Array) -> Array:
        return np.where(self.banned[memory], -np.inf, logits)

    def follow(self, memory: Array, ids: Array) -> Array:
        return np.asarray(self.after[memory, ids])


def by_length(text: str) -> tuple[int, str]:
    """The order of states: from short to long."""
    return len(text), text


def automaton(states: dict[str, int], strings: Collection[str]) -> dict[str, Array]:
    """For each character of the strings the state after it, from each state; (S + 1,).

    Args:
        states: beginnings of the strings, from short to long, with their numbers.
    """
    complete = len(states)
    table = {}
    # The longest end of each state that is a shorter state.
    failure = np.zeros(complete, dtype=np.int64)
    longest = {each: np.zeros(complete + 1, dtype=np.int64) for each in set("".join(strings))}
    completes = {each: np.zeros(complete + 1, dtype=bool) for each in longest}
    for beginning, state in states.items():
        for each in longest:
            longer = beginning + each
            # Other characters lead to state 0, the empty beginning.
            shorter = longest[each][failure[state]] if state else 0
            longest[each][state] = states.get(longer, shorter)
            if longer in states:
                failure[states[longer]] = shorter
            completes[each][state] = longer in strings or completes[each][failure[state]]
    for each in longest:
        completes[each][complete] = True
        table[each] = np.where(completes[each], complete, longest[each])
    return table


def after_entries(vocabulary: Vocabulary, table: dict[str, Array]) -> Array:
    """The state after each entry, from each state, (S + 1, V); never after `<unk>`."""
    complete = len(next(iter(table.values()))) - 1
    elsewhere = np.zeros(complete + 1, dtype=np.int64)
    elsewhere[complete] = complete
    after = np.full((complete + 1, len(vocabulary)), complete)
    for number, entry in enumerate(vocabulary.entries, UNKNOWN_ID + 1):
        states = np.arange(complete + 1)
        for character in entry:
            states = table.get(character, elsewhere)[states]
        after[:, number] = states
    return after


def without_dead_ends(after: Array) -> Array:
    """Which entries are left out in each state, (S + 1, V)."""
    banned: Array = np.equal(after, len(after) - 1)
    while True:
        dead = np.logical_and.reduce(banned, axis=1)
        if not (dead[after] & ~banned).any():
            return banned
        banned = banned | dead[after]
