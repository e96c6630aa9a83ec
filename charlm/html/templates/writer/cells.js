// One time step of each cell: from W x + b and the state, a list of vectors, to the new state.
// The letters are those of the usual equations; w holds a layer's weights by letter.

const EPSILON = 1e-5; // of layer normalization

const sigmoid = (x) => 1 / (1 + Math.exp(-x));
const softplus = (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
const sum = (x, y) => x.map((each, i) => each + y[i]);

function normalized(x, gain) {
  const mean = x.reduce((total, each) => total + each, 0) / x.length;
  const variance = x.reduce((total, each) => total + (each - mean) ** 2, 0) / x.length;
  return x.map((each, i) => ((each - mean) / Math.sqrt(variance + EPSILON)) * gain[i]);
}

// A x + bias; with a gain, A x is normalized first.
function affine(matrix, gain, bias, x) {
  const Ax = product(matrix, x);
  return sum(gain ? normalized(Ax, gain) : Ax, bias);
}

const inputProjection = (w, x) => affine(w.W, w.gain_W, w.b, x);
const recurrentProduct = (w, h) => affine(w.U, w.gain_U, w.c, h);

const cells = {
  rnn(Wx, [h], w) {
    return [sum(Wx, recurrentProduct(w, h)).map(Math.tanh)];
  },

  gru(Wx, [h], w) {
    const H = h.length;
    const Uh = recurrentProduct(w, h);
    const after = h.map((old, i) => {
      const r = sigmoid(Wx[i] + Uh[i]);
      const z = sigmoid(Wx[H + i] + Uh[H + i]);
      const n = Math.tanh(Wx[2 * H + i] + r * Uh[2 * H + i]);
      return (1 - z) * n + z * old;
    });
    return [after];
  },

  // The gru that resets its state before the product with U.
  textbookGru(Wx, [h], w) {
    const H = h.length;
    const part = (from, to) => [rowsOf(w.U, from, to), w.gain_U?.subarray(from, to), w.c.subarray(from, to)];
    const Uh = affine(...part(0, 2 * H), h);
    const reset = h.map((old, i) => sigmoid(Wx[i] + Uh[i]) * old);
    const Un = affine(...part(2 * H, 3 * H), reset);
    const after = h.map((old, i) => {
      const z = sigmoid(Wx[H + i] + Uh[H + i]);
      const n = Math.tanh(Wx[2 * H + i] + Un[i]);
      return (1 - z) * n + z * old;
    });
    return [after];
  },

  lstm(Wx, [h, C], w, cappedGate) {
    const H = h.length;
    const gates = sum(Wx, recurrentProduct(w, h));
    const memory = C.map((old, i) => {
      const [input, forget] = [sigmoid(gates[i]), sigmoid(gates[H + i])];
      const letIn = cappedGate ? Math.min(input, 1 - forget) : input;
      return forget * old + letIn * Math.tanh(gates[2 * H + i]);
    });
    return [memory.map((each, i) => sigmoid(gates[3 * H + i]) * Math.tanh(each)), memory];
  },

  // An lstm whose input and state gate each other first, so that it reads x and not W x + b.
  mogrifier(x, [h, C], w, cappedGate) {
    const gate = (name, gating, gated) => {
      const numbers = product(w[`${name}_up`], product(w[`${name}_down`], gating));
      return gated.map((each, i) => 2 * sigmoid(numbers[i]) * each);
    };
    for (let round = 1; `Q${round}_up` in w || `R${round}_up` in w; round += 1) {
      if (round % 2) x = gate(`Q${round}`, h, x);
      else h = gate(`R${round}`, x, h);
    }
    return cells.lstm(inputProjection(w, x), [h, C], w, cappedGate);
  },

  mingru(Wx, [h]) {
    const H = h.length;
    return [h.map((old, i) => old + sigmoid(Wx[i]) * (Wx[H + i] - old))];
  },

  minlstm(Wx, [h]) {
    const H = h.length;
    const after = h.map((old, i) => {
      // What the forget gate has of both, in log space: both may be nothing to a computer.
      const share = sigmoid(softplus(-Wx[i]) - softplus(-Wx[H + i]));
      return share * old + (1 - share) * Wx[2 * H + i];
    });
    return [after];
  },
};
