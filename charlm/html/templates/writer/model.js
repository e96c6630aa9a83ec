// The model: a character goes in with the state, and logits of the next one come out.

class Model {
  // about: what the page says of the model; weights: by their names in torch.
  constructor(about, weights) {
    this.about = about;
    this.embedding = weights["embedding.weight"];
    this.projection = weights["projection.weight"];
    this.output = weights["output.weight"] ?? this.embedding;
    this.bias = weights["output.bias"];
    this.layers = Array.from({ length: about.layers }, (_, layer) => layerOf(weights, layer));
    this.cell = cells[about.cell];
    this.readsVectors = about.cell === "mogrifier";
    this.inputs = []; // of the first layer, by id, once they were needed
  }

  initialState() {
    const states = { lstm: 2, mogrifier: 2 }[this.about.cell] ?? 1;
    return this.layers.map(() => Array.from({ length: states }, () => new Float64Array(this.about.hiddenSize)));
  }

  // Logits of the next character, and the new state; the old one stays as it is.
  step(id, state) {
    let x = (this.inputs[id] ??= this.firstInput(id));
    const after = [];
    this.layers.forEach((weights, layer) => {
      if (layer && !this.readsVectors) x = inputProjection(weights, x);
      after.push(this.held(state[layer], this.cell(x, state[layer], weights, this.about.cappedGate)));
      [x] = after[layer];
    });
    if (this.projection) x = product(this.projection, x);
    return [sum(product(this.output, x), this.bias), after];
  }

  // What the first layer reads of a character: its vector, or W x + b.
  firstInput(id) {
    const [w] = this.layers;
    if (this.embedding) {
      const vector = Float64Array.from(rowsOf(this.embedding, id, id + 1).values);
      return this.readsVectors ? vector : inputProjection(w, vector);
    }
    if (this.readsVectors) return Float64Array.from({ length: this.about.entries.length }, (_, i) => Number(i === id));
    const Wx = columnOf(w.W, id);
    return sum(w.gain_W ? normalized(Wx, w.gain_W) : Wx, w.b);
  }

  // With zoneout a unit holds its state for a step, with some probability; this is what to expect.
  held(before, after) {
    const { zoneout } = this.about;
    if (!zoneout) return after;
    return after.map((vector, k) => vector.map((each, i) => zoneout * before[k][i] + (1 - zoneout) * each));
  }
}

// A layer's weights by their letters in the equations.
function layerOf(weights, layer) {
  const letterOf = { weight_ih: "W", weight_hh: "U", bias_ih: "b", bias_hh: "c" };
  const found = {};
  for (const [name, each] of Object.entries(weights)) {
    const [, kind, number] = name.match(/^rnn\.(.+)_l(\d+)$/) ?? [];
    if (Number(number) === layer) found[letterOf[kind] ?? kind] = each;
  }
  return found;
}
