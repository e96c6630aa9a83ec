// From a text to ids and back, and the choice of the next id.

const UNKNOWN = 0; // the id of what the model does not know, which is never written

const letters = (text) => text.replace(/[^A-Za-z]+/g, " ").toLowerCase();

// How the text was simplified that the model learned from, by name; a prefix is read like it.
const normalizations = {
  none: (text) => text,
  lower: (text) => text.toLowerCase(),
  letters,
  // The blanks at the ends of lines go, but not those at the ends of a prefix.
  "letters-by-line": (text) => `x${text}x`.split("\n").map((line) => letters(line).trim()).join("").slice(1, -1),
};

class Reader {
  constructor({ entries, normalization }) {
    this.entries = entries;
    this.normalize = normalizations[normalization];
    this.ids = new Map(entries.map((entry, id) => [entry, id]).slice(1));
  }

  // The ids of a text, and the characters of it that are lost, since the model does not know them.
  read(text) {
    const plain = text.replace(/^\uFEFF/, "").replace(/\r\n?/g, "\n");
    const removed = Array.from(plain).filter((each) => each.trim() && !this.normalize(each).trim());
    const characters = Array.from(this.normalize(plain));
    const known = characters.filter((each) => this.ids.has(each));
    const unknown = characters.filter((each) => !this.ids.has(each));
    const nothing = removed.length > 0 && !known.join("").trim();
    return {
      ids: nothing ? [] : known.map((each) => this.ids.get(each)),
      lost: [...new Set([...removed, ...unknown])],
    };
  }

  write(id) {
    return this.entries[id];
  }
}

// Numbers from 0 to below 1 that follow from a seed: the xorshift generator of four words of
// Marsaglia (2003), of which the first is the seed.
function randomNumbers(seed) {
  const words = Uint32Array.of(seed, 362436069, 521288629, 88675123);
  const next = () => {
    const mixed = (words[0] ^ (words[0] << 11)) >>> 0;
    words.copyWithin(0, 1);
    words[3] ^= (words[3] >>> 19) ^ mixed ^ (mixed >>> 8);
    return words[3] / 2 ** 32;
  };
  for (let turn = 0; turn < 64; turn += 1) next(); // seeds that are alike begin alike
  return next;
}

// The id to write next: the likeliest at temperature 0, else one that is drawn.
function choose(logits, temperature, random) {
  let best = 1;
  for (let id = 2; id < logits.length; id += 1) if (logits[id] > logits[best]) best = id;
  if (!Number.isFinite(logits[best])) throw new RangeError("The model's numbers went beyond all bounds.");
  if (temperature === 0) return best;
  const shares = logits.map((each) => Math.exp((each - logits[best]) / temperature));
  shares[UNKNOWN] = 0;
  let left = random() * shares.reduce((total, each) => total + each, 0);
  const drawn = shares.findIndex((share) => (left -= share) < 0);
  return drawn < 0 ? best : drawn; // rounding may leave a little
}

// Reads the ids of a prefix, of which nothing is said, and then yields what is written, without end.
function* written(model, prefix, temperature, seed) {
  const random = randomNumbers(seed);
  let [logits, state] = [null, model.initialState()];
  for (const id of prefix) {
    [logits, state] = model.step(id, state);
    yield null;
  }
  for (;;) {
    const id = choose(logits, temperature, random);
    yield id;
    [logits, state] = model.step(id, state);
  }
}
