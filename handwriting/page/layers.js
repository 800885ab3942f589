// The layers of the network: their strips of maps, and the colours of their numbers.

import settings from './settings.js';
import {$} from './words.js';

export let shades;  // the colours of 256 levels, from --cell to --ink, as putImageData has them
export const colour = name => getComputedStyle(document.documentElement).getPropertyValue('--' + name).trim();
const rgb = name => [1, 3, 5].map(i => parseInt(colour(name).slice(i, i + 2), 16));
export function mixShades() {
  const from = rgb('cell'), to = rgb('ink');
  shades = Uint32Array.from({length: 256}, (_, level) => {
    const [r, g, b] = from.map((v, i) => Math.round(v + (to[i] - v) * level / 255));
    return (255 << 24 | b << 16 | g << 8 | r) >>> 0;
  });
}
mixShades();

export let network;  // as an answer describes it
export let layers = {};  // {name: {name, rows, across, maps, ...}} of the network

// Makes a strip for each layer of a network; returns false if it is the known network.
export function learn(description) {
  if (JSON.stringify(description) === JSON.stringify(network)) return false;
  [network, layers] = [description, {}];
  const {logits, ...shapes} = network.layers;
  $('layers').innerHTML = Object.entries(shapes).map(([name, shape]) => '<figure>'
    + `<figcaption><b>${name}</b>${shape.join(' × ')}</figcaption>`
    + `<div><canvas id="${name}" role="img" aria-label="${name}"></canvas></div></figure>`).join('');
  for (const [name, shape] of Object.entries(shapes)) {
    const isMaps = shape.length > 1, [tile, gap] = settings.tiles[shape.length], canvas = $(name);
    const [rows, across, maps] = isMaps ? shape : [1, 1, ...shape];  // a neuron is a map of one pixel
    const scale = Math.max(1, Math.floor(tile / across)), wide = Math.max(tile, across * scale) + gap;
    layers[name] = {name, isMaps, rows, across, maps, scale, gap, high: rows * scale + gap, wide, canvas};
  }
  return true;
}

// Paints maps beside each other, as many in a line as there is room for.
export function paintLayer(layer, values) {
  const {canvas, isMaps, rows, across, maps, scale, gap, high, wide} = layer;
  const columns = ($('layers').clientWidth < 500 ? 8 : 16) * (isMaps ? 1 : 4);
  const width = columns * wide - gap, height = Math.ceil(maps / columns) * high - gap;
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, {width, height});
  const image = new ImageData(width, height), pixels = new Uint32Array(image.data.buffer);
  let most = 1e-9, least = 0;
  for (const value of values || []) { if (value > most) most = value; else if (value < least) least = value; }
  const colours = new Uint32Array(rows * across * maps).fill(shades[0]), scaled = 255 / (most - least);
  for (let i = 0; values && i < values.length; i++) colours[i] = shades[Math.round(scaled * (values[i] - least))];
  Object.assign(layer, {columns, most, colours});
  for (let map = 0; map < maps; map++) {
    const left = map % columns * wide, top = Math.floor(map / columns) * high;
    for (let row = 0; row < rows; row++) {
      const begin = (top + row * scale) * width + left;
      for (let column = 0; column < across; column++) {
        const first = begin + column * scale;
        pixels.fill(colours[(row * across + column) * maps + map], first, first + scale);
      }
      for (let again = 1; again < scale; again++) {
        pixels.copyWithin(begin + again * width, begin, begin + across * scale);
      }
    }
  }
  canvas.getContext('2d').putImageData(image, 0, 0);
}

// Frames a map in the strip of its layer.
export function frame({canvas: {width, height, parentNode}, rows, across, scale, high, wide, columns}, kind, map) {
  const mark = Object.assign(document.createElement('i'), {className: kind});
  mark.style.left = 100 * (map % columns) * wide / width + '%';
  mark.style.top = 100 * Math.floor(map / columns) * high / height + '%';
  mark.style.width = 100 * across * scale / width + '%';
  mark.style.height = 100 * rows * scale / height + '%';
  parentNode.append(mark);
}

// Paints a map on a canvas of 168 x 168. Frames the pixels `marked`: row, column, rows, columns.
export function paintBig(canvas, rows, across, shade, marked) {
  const context = canvas.getContext('2d'), down = 168 / rows, right = 168 / across;
  const image = new ImageData(168, 168), pixels = new Uint32Array(image.data.buffer);
  for (let y = 0; y < 168; y++) {
    for (let x = 0; x < 168; x++) pixels[y * 168 + x] = shade(Math.floor(y / down), Math.floor(x / right));
  }
  context.putImageData(image, 0, 0);
  if (marked) {
    const [row, column, high, wide] = marked;
    context.strokeStyle = colour('orange');
    context.lineWidth = 2;
    context.strokeRect(column * right, row * down, wide * right, high * down);
  }
}
