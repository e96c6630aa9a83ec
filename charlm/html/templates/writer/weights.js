"use strict";
// The weights. Their numbers stand in the page as base64, one tensor after another.

function bytesOf(base64) {
  const characters = atob(base64);
  const bytes = new Uint8Array(characters.length);
  for (let at = 0; at < bytes.length; at += 1) bytes[at] = characters.charCodeAt(at);
  return bytes;
}

// Reads tensors by name: vectors as Float32Array, matrices as { values, rows, columns }, row by row.
// A matrix that is scaled comes as the scale of each row, and then whole numbers of 16 bits.
// Every tensor begins at a multiple of four bytes.
function readTensors(tensors, buffer) {
  let at = 0;
  const take = (Type, length) => {
    const taken = new Type(buffer, at, length);
    at += 4 * Math.ceil(taken.byteLength / 4);
    return taken;
  };
  const readMatrix = (rows, columns, scaled) => {
    if (!scaled) return { values: take(Float32Array, rows * columns), rows, columns };
    const scales = take(Float32Array, rows);
    const numbers = take(Int16Array, rows * columns);
    const values = Float32Array.from(numbers, (number, place) => number * scales[Math.floor(place / columns)]);
    return { values, rows, columns };
  };
  const found = {};
  for (const { name, shape, scaled } of tensors) {
    found[name] = shape.length === 1 ? take(Float32Array, shape[0]) : readMatrix(...shape, scaled);
  }
  return found;
}

// Some of a matrix's rows.
function rowsOf({ values, columns }, from, to) {
  return { values: values.subarray(from * columns, to * columns), rows: to - from, columns };
}

function columnOf({ values, rows, columns }, number) {
  return Float64Array.from({ length: rows }, (_, row) => values[row * columns + number]);
}

// A x. Four rows at a time: a sum alone would wait for each of its additions.
function product({ values, rows, columns }, x) {
  const result = new Float64Array(rows);
  let row = 0;
  for (; row + 3 < rows; row += 4) {
    const first = row * columns;
    const second = first + columns;
    const third = second + columns;
    const fourth = third + columns;
    let a = 0, b = 0, c = 0, d = 0;
    for (let column = 0; column < columns; column += 1) {
      const each = x[column];
      a += values[first + column] * each;
      b += values[second + column] * each;
      c += values[third + column] * each;
      d += values[fourth + column] * each;
    }
    result.set([a, b, c, d], row);
  }
  for (; row < rows; row += 1) {
    for (let column = 0; column < columns; column += 1) result[row] += values[row * columns + column] * x[column];
  }
  return result;
}
