// The sum that a number of a layer is made of: its terms in tables, and a line that adds them up.

import {frame, layers, network} from './layers.js';
import {bar, explained, isPointed, pixel, shown, valueAt, weights} from './shown.js';
import {$, words} from './words.js';

// A number as a text with three decimals.
const fixed = number => number === null ? null : number.toFixed(3).replace(/^-(0\.000)$/, '$1');

// Rounds numbers up or down, so that the rounded numbers add up to the rounded total. Rounds up the
// largest remainders, as in the method that gives seats to parties.
function thatAddUp(numbers, total) {
  const scaled = numbers.map(number => 1000 * number), whole = scaled.map(Math.floor);
  const missing = Math.round(1000 * fixed(total)) - whole.reduce((a, b) => a + b);
  const rest = i => scaled[i] - whole[i];
  const order = [...whole.keys()].sort((i, j) => rest(j) - rest(i));
  for (const i of order.slice(0, missing)) whole[i]++;
  return whole.map(number => fixed(number / 1000));
}

const minus = number => number.replace('-', '−');
const bold = number => Object.assign(document.createElement('b'), {textContent: number});
const signOf = number => number < 0 ? 'negative' : 'positive';
const largest = numbers => Math.max(1e-3, ...numbers.map(Math.abs));

// Shows a table of numbers, at most `columns` in a line. Writes 0.123 as .123, to save room.
function addTable(sign, name, numbers, columns, kind, most) {
  const table = document.createElement('div');
  table.innerHTML = `<span>${sign}</span><figure><figcaption>${name}</figcaption><div></div></figure>`;
  const grid = table.querySelector('figure > div');
  const lines = numbers.map(number => minus(number || '0').replace(/^(−?)0\./, '$1.').replace(/^\.0+$/, '0'));
  const width = Math.ceil(6.7 * Math.max(5, ...lines.map(line => line.length)));
  const room = Math.floor($('sum').clientWidth / (width + 1));
  grid.style.gridTemplateColumns = `repeat(${Math.min(columns, room)}, ${width}px)`;
  numbers.forEach((number, i) => {
    const cell = Object.assign(document.createElement('div'), {textContent: lines[i]});
    cell.className = number === null ? 'beyond' : kind || signOf(number);
    cell.style.setProperty('--part', Math.min(1, Math.abs(number) / most).toFixed(3));
    grid.append(cell);
  });
  $('grids').append(table);
  return grid.children;
}

// Shows where the number pointed at comes from; nothing without one, or before the first answer.
export function showSum() {
  $('grids').replaceChildren();
  $('total').replaceChildren();
  if (isPointed()) bar === null ? showPixel(pixel) : showLogit(bar);
}

function showPixel({layer: name, map, row, column}) {
  const value = valueAt(name, map, row, column), below = network.sources[name];
  $('total').append(words.place(row + 1, column + 1));
  if (!explained(name)) $('total').append(bold(minus(fixed(value))));
  else if (!name.startsWith('pool')) showConvolution(name, map, row, column);
  else {
    const four = [0, 1, 2, 3].map(i => valueAt(below, map, 2 * row + (i >> 1), 2 * column + i % 2));
    const most = four.indexOf(value);
    addTable('', below, four.map(fixed), 2, 'level', (layers[below] || {most: 1}).most)[most].classList.add('most');
    $('total').append(words.largest(below), bold(minus(fixed(value))));
    if (network.sources[below] === 'input' || !explained(below)) return;
    $('total').append(' = ');
    showConvolution(below, map, 2 * row + (most >> 1), 2 * column + most % 2);
  }
}

// If there is one map below, shows the patch, the kernel and their products. If there are several,
// shows the sum of the products of each. The pixel is the ReLU of these terms + the bias.
function showConvolution(name, map, row, column) {
  const below = network.sources[name], [high, wide, maps, kernels] = weights.shapes[name + '_w'];
  const patch = [], kernel = [], terms = Array(maps > 1 ? maps : high * wide).fill(0);
  for (let i = 0; i < high * wide * maps; i++) {
    const place = Math.floor(i / maps), down = Math.floor(place / wide) - (high - 1 >> 1);
    patch.push(valueAt(below, i % maps, row + down, column + place % wide - (wide - 1 >> 1)));
    kernel.push(weights[name + '_w'][i * kernels + map]);
    terms[i % terms.length] += patch[i] * kernel[i];  // by map or, of one map, by place
  }
  terms.push(weights[name + '_b'][map]);
  const value = valueAt(name, map, row, column);
  const sum = value > 0 ? value : Math.min(0, terms.reduce((a, b) => a + b));
  const numbers = thatAddUp(terms, sum), bias = numbers.pop(), most = largest(numbers);
  if (maps > 1) addTable('', words.partial(maps, below), numbers, 8, '', most);
  else {
    addTable('', words.patch(high, wide), patch.map(fixed), wide, 'level', 1);
    addTable('×', words.kernel, kernel.map(fixed), wide, '', largest(kernel));
    addTable('=', words.products(numbers.length), numbers, wide, '', most);
  }
  const what = maps > 1 ? words.partial(maps) : words.products(numbers.length);
  $('total').append(words.sum(what, minus(bias), minus(fixed(sum))), bold(fixed(value)));
}

// The largest and the smallest terms of a class, the sum of the others, and the bias.
function showLogit(i) {
  const name = network.sources.logits, share = (100 * shown.probabilities[i]).toFixed(1) + '%';
  if (!explained('logits')) return $('total').append(`${i}: `, bold(share));
  const terms = Array.from(shown[name], (value, j) => value * weights.logits_w[j * shown.logits.length + i]);
  const order = [...terms.keys()].sort((j, k) => terms[k] - terms[j]), n = Math.min(10, order.length >> 1);
  const others = order.splice(n, order.length - 2 * n), rest = others.reduce((sum, j) => sum + terms[j], 0);
  const numbers = thatAddUp([...order.map(j => terms[j]), rest, weights.logits_b[i]], shown.logits[i]);
  const parts = [numbers.slice(0, n), numbers.slice(n, 2 * n).reverse()];
  parts.forEach((part, k) => addTable('', words.terms[k](n), part, 5, '', largest(parts.flat())));
  const layer = layers[name];
  if (layer && !layer.isMaps) order.forEach((j, k) => frame(layer, signOf(numbers[k]), j));
  const totals = parts.map(part => fixed(part.reduce((sum, number) => sum + Number(number), 0)));
  const all = [...totals, ...numbers.slice(2 * n), fixed(shown.logits[i])].map(minus);
  $('total').append(words.logit(i, n, others.length, ...all), bold(share));
}
