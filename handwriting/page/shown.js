// What is shown: the last answer, the weights behind it, and what is pointed at in it. The event
// 'pointed' says that one points at something else, or that new weights have come.

import {layers, network} from './layers.js';
import {$} from './words.js';

export let shown = null;  // the last answer: step, input, conv1, ..., probabilities
export let weights = {shapes: {}};  // of a checkpoint: step, conv1_w, conv1_b, ...
export let pixel = null;  // {layer, map, row, column}, pointed at
export let bar = null;  // the class whose bar is pointed at; null if it is the pixel

export const show = answer => { shown = answer; };
export const showNothing = () => { shown = pixel = bar = null; };
export function keepWeights(answer) {
  weights = {step: shown && shown.step, shapes: {}, ...answer};
  dispatchEvent(new Event('pointed'));
}
export const isPointed = () => !!((pixel || bar !== null) && shown && shown.probabilities);
export const needsWeights = () => isPointed() && weights.step !== shown.step;
export const nearLayer = () => pixel ? layers[pixel.layer] : Object.values(layers).find(({isMaps}) => isMaps);

// The number of a layer or of the input; null beyond the edge.
export function valueAt(name, map, row, column) {
  const [rows, columns, maps = 1] = shown.shapes[name];
  const inside = row >= 0 && row < rows && column >= 0 && column < columns;
  return inside ? shown[name][(row * columns + column) * maps + map] : null;
}

// Whether the page can say how the numbers of a layer come about.
export const explained = name => name in network.sources && (name.startsWith('pool') || name + '_w' in weights);

// The part of the input on which a pixel depends: row, column, rows, columns; null if not known.
export function fieldOf({layer, row, column}) {
  let field = [row, column, 1, 1];
  for (; layer !== 'input'; layer = network.sources[layer]) {
    if (!explained(layer)) return null;
    const [rows, columns] = weights.shapes[layer + '_w'] || [], [r, c, high, wide] = field;
    field = rows ? [r - (rows - 1 >> 1), c - (columns - 1 >> 1), high + rows - 1, wide + columns - 1]
      : field.map(n => 2 * n);
  }
  return field;
}

export const pointAtBar = i => { bar = i; dispatchEvent(new Event('pointed')); };
export function point(name, map, row, column) {
  const {rows, across, maps} = layers[name];
  if (!(map >= 0 && map < maps && row >= 0 && row < rows && column >= 0 && column < across)) return;
  [pixel, bar] = [{layer: name, map, row, column}, null];
  dispatchEvent(new Event('pointed'));
}

const STEPS = {ArrowUp: [0, -1, 0], ArrowDown: [0, 1, 0], ArrowLeft: [0, 0, -1], ArrowRight: [0, 0, 1],
  '+': [1, 0, 0], '=': [1, 0, 0], '-': [-1, 0, 0]};  // maps, rows, columns
function move(event, {name, rows, across, maps}) {
  if (!(event.key in STEPS)) return;
  event.preventDefault();
  if (!pixel) return point(name, 0, rows >> 1, across >> 1);
  const [next, down, right] = STEPS[event.key], was = layers[pixel.layer];
  point(name, Math.min(pixel.map, maps - 1) + next, Math.floor(pixel.row * rows / was.rows) + down,
    Math.floor(pixel.column * across / was.across) + right);
}

// Calls back with the place in a canvas, from 0 to 1 across and down, at which one points.
function onPoint(canvas, callback) {
  canvas.onpointermove = canvas.onpointerdown = event => {
    const box = canvas.getBoundingClientRect();
    callback((event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
  };
}

// Lets one point at the pixels of a layer in its strip.
export function listenTo(layer) {
  const {name, canvas, scale, high, wide} = layer;
  canvas.tabIndex = 0;
  canvas.onkeydown = event => move(event, layer);
  onPoint(canvas, (across, down) => {
    const x = across * canvas.width, y = down * canvas.height;
    const map = Math.floor(y / high) * layer.columns + Math.floor(x / wide);
    point(name, map, Math.floor(y % high / scale), Math.floor(x % wide / scale));
  });
}

$('near').onkeydown = event => move(event, nearLayer());
onPoint($('near'), (x, y) => {
  const {name, rows, across} = nearLayer();
  point(name, pixel ? pixel.map : 0, Math.floor(y * rows), Math.floor(x * across));
});
