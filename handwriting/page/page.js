'use strict';

// ---- words, of words.js ----

const language = (navigator.languages || [navigator.language])
  .map(tag => tag.slice(0, 2).toLowerCase()).find(tag => tag in WORDS) || 'en';
const words = WORDS[language];
const $ = id => document.getElementById(id);
document.documentElement.lang = language === 'zh' ? 'zh-CN' : 'en';
document.title = words.title + ' · LeNet-5';
for (const element of document.querySelectorAll('[data-say]')) {
  element.textContent = words[element.dataset.say];
}
for (const element of document.querySelectorAll('[data-label]')) {
  element.setAttribute('aria-label', words[element.dataset.label]);
}

// ---- colours ----

let shades;  // of the 256 levels from paper to ink, as putImageData has them
function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue('--' + name).trim();
}
function rgb(name) {
  return [1, 3, 5].map(i => parseInt(colour(name).slice(i, i + 2), 16));
}
function mixShades() {
  const from = rgb('cell'), to = rgb('ink');
  shades = new Uint32Array(256);
  for (let level = 0; level < 256; level++) {
    const [r, g, b] = from.map((v, i) => Math.round(v + (to[i] - v) * level / 255));
    shades[level] = (255 << 24 | b << 16 | g << 8 | r) >>> 0;
  }
}

// ---- layers ----

const TILE = 56, GAP = 4;
const LAYERS = [
  {name: 'conv1', size: 28, maps: 32}, {name: 'pool1', size: 14, maps: 32},
  {name: 'conv2', size: 14, maps: 64}, {name: 'pool2', size: 7, maps: 64},
  {name: 'fc1', size: 1, maps: 512},
];
const ARRAYS = [  // of an answer, and how many numbers each has
  ['digit', 784], ...LAYERS.map(({name, size, maps}) => [name, size * size * maps]),
  ['y', 10], ['conv1_w', 800], ['conv1_b', 32],
];
const byName = {};
for (const layer of LAYERS) {
  byName[layer.name] = layer;
  const figure = document.createElement('figure');
  figure.className = 'layer';
  const shape = layer.name === 'fc1' ? '512' : `${layer.size} × ${layer.size} × ${layer.maps}`;
  figure.innerHTML = `<figcaption><b>${layer.name}</b>${shape}</figcaption>`;
  layer.canvas = document.createElement('canvas');
  layer.canvas.id = layer.name;
  figure.append(layer.canvas);
  figure.style.marginBottom = '16px';
  $('layers').append(figure);
}
for (const name of ['conv1', 'pool1']) {
  byName[name].canvas.tabIndex = 0;
  byName[name].canvas.setAttribute('aria-label', name);
}

// Paints maps beside each other, as many in a line as there is room for. fc1 is a map of 512 rows.
function paintLayer(layer, values) {
  const columns = $('layers').clientWidth < 640 ? 8 : 16;
  const fc1 = layer.name === 'fc1';
  const scale = fc1 ? 14 : TILE / layer.size;
  const tiles = fc1 ? 16 : layer.maps, rows = fc1 ? 8 : layer.size, across = fc1 ? 4 : layer.size;
  const high = rows * scale, lines = Math.ceil(tiles / columns);
  const width = columns * (TILE + GAP) - GAP, height = lines * (high + GAP) - GAP;
  Object.assign(layer, {columns, high, scale});
  if (layer.canvas.width !== width || layer.canvas.height !== height) {
    layer.canvas.width = width;
    layer.canvas.height = height;
  }
  const image = new ImageData(width, height);
  const pixels = new Uint32Array(image.data.buffer);
  let most = 1e-9;
  for (const value of values || []) if (value > most) most = value;
  for (let tile = 0; tile < tiles; tile++) {
    const left = tile % columns * (TILE + GAP), top = Math.floor(tile / columns) * (high + GAP);
    for (let row = 0; row < rows; row++) {
      const begin = (top + row * scale) * width + left;
      for (let column = 0; column < across; column++) {
        const i = fc1 ? tile * 32 + row * 4 + column : (row * across + column) * layer.maps + tile;
        const shade = shades[values ? Math.round(255 * values[i] / most) : 0];
        pixels.fill(shade, begin + column * scale, begin + (column + 1) * scale);
      }
      for (let again = 1; again < scale; again++) {
        pixels.copyWithin(begin + again * width, begin, begin + TILE);
      }
    }
  }
  layer.most = most;
  layer.canvas.getContext('2d').putImageData(image, 0, 0);
}

// One map [size, size] on a canvas of 168 x 168, with a frame around `marked` of its pixels.
function paintBig(canvas, size, value, marked) {
  const context = canvas.getContext('2d'), scale = 168 / size;
  const image = new ImageData(168, 168), pixels = new Uint32Array(image.data.buffer);
  for (let y = 0; y < 168; y++) {
    for (let x = 0; x < 168; x++) {
      pixels[y * 168 + x] = shades[value(Math.floor(y / scale), Math.floor(x / scale))];
    }
  }
  context.putImageData(image, 0, 0);
  if (marked) {
    const [row, column, rows, columns] = marked;
    context.strokeStyle = colour('orange');
    context.lineWidth = 2;
    context.strokeRect(column * scale, row * scale, columns * scale, rows * scale);
  }
}

// ---- what is shown ----

let shown = null;  // the last answer: step, digit, conv1, ..., y
let pixel = null;  // {layer, kernel, row, column}, pointed at
for (let i = 0; i < 10; i++) {
  const line = document.createElement('li');
  line.innerHTML = `<span>${i}</span><i></i><em></em>`;
  $('bars').append(line);
}

function paint() {
  const y = shown && shown.y;
  const read = y ? y.indexOf(Math.max(...y)) : -1;
  [...$('bars').children].forEach((line, i) => {
    line.className = i === read ? 'read' : '';
    line.style.setProperty('--p', y ? y[i] : 0);
    line.lastChild.textContent = y ? (100 * y[i]).toFixed(1) + '%' : '';
  });
  $('read').firstChild.textContent = y ? read : '\u00a0';
  $('read').lastChild.textContent = y ? (100 * y[read]).toFixed(1) + '%' : '\u00a0';
  for (const layer of LAYERS) paintLayer(layer, shown && shown[layer.name]);
  paintPixel();
}

function paintPixel() {
  const conv = pixel && pixel.layer === 'conv1', layer = byName[pixel ? pixel.layer : 'conv1'];
  const values = shown && shown[layer.name];
  const field = pixel && (conv
    ? [pixel.row - 2, pixel.column - 2, 5, 5]
    : [2 * pixel.row - 2, 2 * pixel.column - 2, 6, 6]);
  const grey = shown && shown.digit;
  paintBig($('digit'), 28, (r, c) => grey ? Math.round(255 * grey[28 * r + c]) : 0, field);
  const kernel = pixel ? pixel.kernel : 0;
  paintBig($('near'), layer.size, (r, c) => values
    ? Math.round(255 * values[(r * layer.size + c) * layer.maps + kernel] / layer.most) : 0,
  pixel && [pixel.row, pixel.column, 1, 1]);
  $('mapname').textContent = layer.name;
  $('mapnumber').textContent = words.map(kernel + 1);
  showSum();
}

// ---- the sum of a pixel: numbers as text, of three digits after the point ----

function text(number) {
  return number.toFixed(3).replace(/^-(0\.000)$/, '$1');
}

// Each number is rounded up or down, so that as they are shown they add up to the total as shown.
// Those with the largest remainders are rounded up, as seats are given to parties.
function thatAddUp(numbers, total) {
  const scaled = numbers.map(number => 1000 * number), whole = scaled.map(Math.floor);
  const lacking = Math.round(1000 * text(total)) - whole.reduce((a, b) => a + b);
  const rest = i => scaled[i] - whole[i];
  const order = [...whole.keys()].sort((i, j) => rest(j) - rest(i));
  for (const i of order.slice(0, lacking)) whole[i]++;
  return whole.map(number => text(number / 1000));
}

// A pixel of conv1: 25 levels of the digit (null beyond its edge), weights and products, row by row;
// products + bias = sum, and value is its ReLU.
function conv1Pixel({digit, conv1, conv1_w, conv1_b}, row, column, kernel) {
  const patch = [], weights = [];
  for (let i = 0; i < 25; i++) {
    const r = row + Math.floor(i / 5) - 2, c = column + i % 5 - 2;
    patch.push(r >= 0 && r < 28 && c >= 0 && c < 28 ? digit[28 * r + c] : null);
    weights.push(conv1_w[32 * i + kernel]);
  }
  const terms = [...patch.map((level, i) => level * weights[i]), conv1_b[kernel]];
  const value = conv1[(28 * row + column) * 32 + kernel];
  const sum = value > 0 ? value : Math.min(0, terms.reduce((a, b) => a + b));
  const products = thatAddUp(terms, sum), bias = products.pop();
  return {
    patch: patch.map(level => level === null ? null : text(level)), weights: weights.map(text),
    products, bias, sum: text(sum), value: text(value),
  };
}

// A pixel of pool1: four values of conv1, and the largest.
function pool1Pixel({conv1, pool1}, row, column, kernel) {
  const at = (r, c) => text(conv1[(28 * (2 * row + r) + 2 * column + c) * 32 + kernel]);
  const value = text(pool1[(14 * row + column) * 32 + kernel]);
  return {four: [at(0, 0), at(0, 1), at(1, 0), at(1, 1)], value};
}

const minus = number => number.replace('-', '−');
const bold = number => Object.assign(document.createElement('b'), {textContent: number});
const operator = sign => Object.assign(document.createElement('span'), {textContent: sign});

// A figure of numbers, so many in a line; 0.123 is .123, as there is little room.
function cells(numbers, columns, tint, name, most) {
  const figure = document.createElement('figure');
  figure.innerHTML = `<figcaption>${name}</figcaption><div class="grid"></div>`;
  figure.lastChild.style.setProperty('--n', columns);
  for (const number of numbers) {
    const cell = document.createElement('div');
    cell.textContent = minus((number || '0').replace(/^(-?)0\./, '$1.').replace(/^\.0+$/, '0'));
    if (number === null) cell.className = 'beyond';
    else {
      const part = Math.min(1, Math.abs(number) / most);
      const ink = tint === 'ink' ? 'ink' : number < 0 ? 'orange' : 'blue';
      cell.style.background = `color-mix(in srgb, var(--${ink}) ${Math.round(part * 78)}%, var(--cell))`;
      if (part > .55) cell.style.color = 'var(--paper)';
    }
    figure.lastChild.append(cell);
  }
  return figure;
}

// Shows where the pixel comes from; nothing without one, or before the first answer.
function showSum() {
  const known = !!(pixel && shown && shown.y);
  $('hint').hidden = known;
  $('grids').replaceChildren();
  $('total').replaceChildren();
  if (!known) return;
  const {row, column, kernel} = pixel, where = words.place(row + 1, column + 1);
  if (pixel.layer === 'pool1') {
    const {four, value} = pool1Pixel(shown, row, column, kernel);
    const grid = cells(four, 2, 'ink', 'conv1', byName.conv1.most);
    grid.lastChild.children[four.indexOf(value)].classList.add('most');
    $('grids').append(grid);
    $('total').append(where + words.largest, bold(value));
    return;
  }
  const {patch, weights, products, bias, sum, value} = conv1Pixel(shown, row, column, kernel);
  const largest = numbers => Math.max(1e-3, ...numbers.map(Math.abs));
  $('grids').append(
    cells(patch, 5, 'ink', words.patch, 1), operator('×'),
    cells(weights, 5, 'sign', words.kernel, largest(weights)), operator('='),
    cells(products, 5, 'sign', words.products, largest(products)));
  $('total').append(where + words.sum(minus(bias), minus(sum)), bold(value));
}

function showStatus(state, step) {
  const status = $('status');
  const text = state === 'live' ? words.step(step) : words[state];
  if (status.textContent !== text) {
    status.textContent = text;
    status.className = '';
    void status.offsetWidth;  // so that the animation begins anew
    status.className = state + (state === 'live' ? ' newer' : '');
  }
}

function showError(line) {
  $('error').textContent = line || '';
}

// ---- the field ----

const SIDE = 280, PEN = 20;  // of the drawing that is sent
const MAX_BYTES = 64 * 2 ** 20;  // of a photo
const sheet = Object.assign(document.createElement('canvas'), {width: SIDE, height: SIDE});
const sheetContext = sheet.getContext('2d', {willReadFrequently: true});
const pen = $('pen');
let strokes = [], photo = null, stroke = null;

function line(context, points, scale, style) {
  context.lineCap = context.lineJoin = 'round';
  context.lineWidth = PEN * scale;
  context.strokeStyle = style;
  context.beginPath();
  context.moveTo(points[0][0] * scale, points[0][1] * scale);
  for (let i = 1; i < points.length - 1; i++) {  // round where the pointer went too fast
    const [x, y] = points[i], [after, below] = points[i + 1];
    context.quadraticCurveTo(x * scale, y * scale, (x + after) / 2 * scale, (y + below) / 2 * scale);
  }
  const [x, y] = points[points.length - 1];
  context.lineTo(x * scale, y * scale);
  context.stroke();
}

function paintField() {
  const side = Math.round(pen.clientWidth * devicePixelRatio);
  if (pen.width !== side) pen.width = pen.height = side;
  const context = pen.getContext('2d');
  context.clearRect(0, 0, side, side);
  for (const points of strokes) line(context, points, side / SIDE, colour('ink'));
  $('field').querySelector('p').hidden = strokes.length > 0 || photo !== null;
  $('undo').disabled = !strokes.length;
  $('clear').disabled = !strokes.length && !photo;
}

function drawing() {
  sheetContext.fillStyle = '#fff';
  sheetContext.fillRect(0, 0, SIDE, SIDE);
  for (const points of strokes) line(sheetContext, points, 1, '#000');
  const data = sheetContext.getImageData(0, 0, SIDE, SIDE).data;
  const levels = new Uint8Array(SIDE * SIDE);
  for (let i = 0; i < levels.length; i++) levels[i] = data[4 * i];
  return levels;
}

function place(event) {
  const box = pen.getBoundingClientRect();
  return [(event.clientX - box.left) / box.width * SIDE, (event.clientY - box.top) / box.height * SIDE];
}

pen.addEventListener('pointerdown', event => {
  if (event.button || stroke) return;
  if (photo) forget();
  pen.setPointerCapture(event.pointerId);
  stroke = [place(event)];
  stroke.pointer = event.pointerId;
  strokes.push(stroke);
  paintField();
  ask('drawing', event.timeStamp);
});
pen.addEventListener('pointermove', event => {
  if (!stroke || event.pointerId !== stroke.pointer) return;
  const events = event.getCoalescedEvents ? event.getCoalescedEvents() : [];
  for (const each of events.length ? events : [event]) stroke.push(place(each));
  paintField();
  ask('drawing', event.timeStamp);
});
for (const name of ['pointerup', 'pointercancel']) {
  pen.addEventListener(name, event => {
    if (stroke && event.pointerId === stroke.pointer) stroke = null;
  });
}

function forget() {
  strokes = [];
  if (photo) URL.revokeObjectURL($('photo').src);
  photo = null;
  $('photo').hidden = true;
  $('photo').removeAttribute('src');
}
function clear() {
  forget();
  wanted.task = null;
  shown = null;
  showError(null);
  paintField();
  paint();
}
function undo() {
  if (!strokes.length) return;
  strokes.pop();
  if (!strokes.length) return clear();
  paintField();
  ask('drawing', performance.now());
}
function take(file) {
  if (!file) return;
  forget();
  photo = file;
  $('photo').src = URL.createObjectURL(file);
  $('photo').hidden = false;
  paintField();
  if (file.size > MAX_BYTES) {
    shown = wanted.task = null;
    showError(words.errors.large);
    paint();
  } else ask('picture', performance.now());
}
$('undo').onclick = undo;
$('clear').onclick = clear;
$('choose').onclick = () => $('file').click();
$('file').onchange = () => { take($('file').files[0]); $('file').value = ''; };
$('photo').onerror = () => { $('photo').hidden = true; };
addEventListener('dragover', event => { event.preventDefault(); $('field').classList.add('over'); });
addEventListener('dragleave', event => { if (!event.relatedTarget) $('field').classList.remove('over'); });
addEventListener('drop', event => {
  event.preventDefault();
  $('field').classList.remove('over');
  take(event.dataTransfer.files[0]);
});
addEventListener('paste', event => take(event.clipboardData.files[0]));
addEventListener('keydown', event => {
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === 'z') {
    event.preventDefault();
    undo();
  } else if (event.key === 'Escape' || event.key === 'Delete') clear();
});

// ---- pointing at a pixel ----

function point(layer, kernel, row, column) {
  const size = byName[layer].size;
  if (!(kernel >= 0 && kernel < 32 && row >= 0 && row < size && column >= 0 && column < size)) return;
  pixel = {layer, kernel, row, column};
  paintPixel();
}
function pointAt(layer, event) {
  const canvas = layer.canvas, box = canvas.getBoundingClientRect();
  const x = (event.clientX - box.left) / box.width * canvas.width;
  const y = (event.clientY - box.top) / box.height * canvas.height;
  const across = Math.floor(x / (TILE + GAP)), down = Math.floor(y / (TILE + GAP));
  const row = Math.floor((y - down * (TILE + GAP)) / layer.scale);
  const column = Math.floor((x - across * (TILE + GAP)) / layer.scale);
  point(layer.name, down * layer.columns + across, row, column);
}
function move(event) {
  const steps = {ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1]};
  const at = pixel || {layer: 'conv1', kernel: 0, row: 14, column: 14};
  if (event.key in steps) {
    const [down, across] = pixel ? steps[event.key] : [0, 0];
    point(at.layer, at.kernel, at.row + down, at.column + across);
  } else if (event.key === '+' || event.key === '=') point(at.layer, at.kernel + 1, at.row, at.column);
  else if (event.key === '-') point(at.layer, at.kernel - 1, at.row, at.column);
  else return;
  event.preventDefault();
}
for (const name of ['conv1', 'pool1']) {
  const {canvas} = byName[name];
  canvas.addEventListener('pointermove', event => pointAt(byName[name], event));
  canvas.addEventListener('pointerdown', event => pointAt(byName[name], event));
  canvas.addEventListener('keydown', event => {
    if (pixel && pixel.layer !== name) {
      const half = name === 'pool1' ? .5 : 2;
      pixel = {...pixel, layer: name, row: Math.floor(pixel.row * half), column: Math.floor(pixel.column * half)};
    } else if (!pixel && name === 'pool1') pixel = {layer: name, kernel: 0, row: 7, column: 7};
    move(event);
  });
}
for (const name of ['pointermove', 'pointerdown']) {
  $('near').addEventListener(name, event => {
    const {layer, kernel} = pixel || {layer: 'conv1', kernel: 0};
    const box = $('near').getBoundingClientRect(), {size} = byName[layer];
    point(layer, kernel, Math.floor((event.clientY - box.top) / box.height * size),
      Math.floor((event.clientX - box.left) / box.width * size));
  });
}
$('near').addEventListener('keydown', move);

// ---- requests: one at a time, and of what is wanted now ----

const wanted = {task: null, since: 0};
let wake = () => {};

function ask(task, since) {
  if (!wanted.task) wanted.since = since;
  wanted.task = task;
  wake();
}

// Returns {step, digit, conv1, ...}, {step, error, text} or {failed}: a line, where the script erred.
async function post(path, body) {
  const headers = {'Content-Type': 'application/octet-stream'};
  const response = await fetch(path, {method: 'POST', body, headers});
  if (!response.ok) return {failed: await response.text()};
  const buffer = await response.arrayBuffer();
  const end = new Uint8Array(buffer).indexOf(10);  // of the line of JSON
  const answer = JSON.parse(new TextDecoder().decode(buffer.slice(0, end)));
  const numbers = new Float32Array(buffer.slice(end + 1));
  let place = 0;
  for (const [name, count] of ARRAYS) {
    if (place < numbers.length) answer[name] = numbers.subarray(place, place += count);
  }
  return answer;
}

async function serveTask() {
  const {task, since} = wanted;
  wanted.task = null;
  const body = {drawing, picture: () => photo, digit: () => shown.digit}[task]();
  const answer = await post('/' + task, body);
  // cleared meanwhile
  if (!strokes.length && !photo || task === 'picture' && !photo || task === 'digit' && !shown) return answer;
  const {error} = answer;
  showError(answer.failed ? words.failed(answer.failed)
    : error && !(error === 'nothing' && !photo) ? words.errors[error] || answer.text : '');
  shown = answer.digit ? answer : null;
  paint();
  requestAnimationFrame(() => setTimeout(() => {  // which is after the frame is painted
    performance.measure(task, {start: since, end: performance.now(), detail: answer.step});
    performance.clearMeasures(task);
  }));
  return answer;
}

async function run() {
  for (;;) {
    try {
      const {step} = wanted.task ? await serveTask() : await post('/step');
      if (step !== undefined) {
        showStatus(step === null ? 'waiting' : 'live', step);
        if (shown && shown.step !== step && !wanted.task) ask('digit', performance.now());
      }
    } catch (error) {
      showStatus('lost');
      await new Promise(resolve => setTimeout(resolve, 1000));
      if (strokes.length && !wanted.task) ask('drawing', performance.now());
    }
    if (!wanted.task) {
      await new Promise(resolve => { wake = resolve; setTimeout(resolve, 1000); });
    }
  }
}

mixShades();
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
  mixShades();
  paintField();
  paint();
});
addEventListener('resize', () => { paintField(); paint(); });
paintField();
paint();
run();
