'use strict';

// ---- words, of words.js ----

const $ = id => document.getElementById(id);
let kept = {};
try { kept = localStorage; } catch {}  // a browser that may keep nothing
let words, language = [kept.language, ...navigator.languages, 'en']
  .map(tag => (tag || '').slice(0, 2).toLowerCase()).find(tag => tag in WORDS);
function say() {
  words = WORDS[language];
  document.documentElement.lang = language === 'zh' ? 'zh-CN' : 'en';
  document.title = words.title + ' · LeNet-5';
  const all = name => document.querySelectorAll(`[data-${name}]`);
  for (const each of all('say')) each.textContent = words[each.dataset.say];
  for (const each of all('label')) each.setAttribute('aria-label', words[each.dataset.label]);
}
say();

// ---- colours ----

let shades;  // of the 256 levels from paper to ink, as putImageData has them
const colour = name => getComputedStyle(document.documentElement).getPropertyValue('--' + name).trim();
const rgb = name => [1, 3, 5].map(i => parseInt(colour(name).slice(i, i + 2), 16));
function mixShades() {
  const from = rgb('cell'), to = rgb('ink');
  shades = new Uint32Array(256);
  for (let level = 0; level < 256; level++) {
    const [r, g, b] = from.map((v, i) => Math.round(v + (to[i] - v) * level / 255));
    shades[level] = (255 << 24 | b << 16 | g << 8 | r) >>> 0;
  }
}

// ---- layers ----

let network = {size: [1, 1], sources: {}, undrawn: []};  // as an answer describes it
let layers = {};  // {name: {name, rows, across, maps, ...}} of the network
const nearLayer = () => pixel ? layers[pixel.layer] : Object.values(layers).find(({isMaps}) => isMaps);

// Makes a strip for each layer of a network, and a bar for each class.
function learn(answer) {
  if (JSON.stringify(answer.network) === JSON.stringify(network)) return;
  [network, layers] = [answer.network, {}];
  shown = pixel = bar = null;
  const {logits: [classes], ...shapes} = network.layers;
  $('inputsize').textContent = network.size.join(' × ');
  $('layers').innerHTML = Object.entries(shapes).map(([name, shape]) => '<figure>'
    + `<figcaption><b>${name}</b>${shape.join(' × ')}</figcaption>`
    + `<div><canvas id="${name}" role="img" aria-label="${name}"></canvas></div></figure>`).join('');
  for (const [name, shape] of Object.entries(shapes)) {
    const isMaps = shape.length > 1, tile = isMaps ? 56 : 14, gap = isMaps ? 4 : 1, canvas = $(name);
    const [rows, across, maps] = isMaps ? shape : [1, 1, ...shape];  // a neuron is a map of one pixel
    const scale = Math.max(1, Math.floor(tile / across)), wide = Math.max(tile, across * scale) + gap;
    layers[name] = {name, isMaps, rows, across, maps, scale, gap, high: rows * scale + gap, wide, canvas};
    if (isMaps) pointAt(layers[name]);
  }
  $('map').hidden = !nearLayer();
  $('bars').innerHTML = '<button><span></span><i></i><em></em></button>'.repeat(classes);
  [...$('bars').children].forEach((line, i) => {
    line.firstChild.textContent = i;
    line.onpointerenter = line.onfocus = () => { bar = i; paintPixel(); };
  });
  paint();
}

// Paints maps beside each other, as many in a line as there is room for.
function paintLayer(layer, values) {
  const {canvas, isMaps, rows, across, maps, scale, gap, high, wide} = layer;
  const columns = ($('layers').clientWidth < 500 ? 8 : 16) * (isMaps ? 1 : 4);
  const width = columns * wide - gap, height = Math.ceil(maps / columns) * high - gap;
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, {width, height});
  const image = new ImageData(width, height);
  const pixels = new Uint32Array(image.data.buffer);
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
        const place = begin + column * scale;
        pixels.fill(colours[(row * across + column) * maps + map], place, place + scale);
      }
      for (let again = 1; again < scale; again++) {
        pixels.copyWithin(begin + again * width, begin, begin + across * scale);
      }
    }
  }
  canvas.getContext('2d').putImageData(image, 0, 0);
}

// Frames a map in the strip of its layer.
function frame({canvas: {width, height, parentNode}, rows, across, scale, high, wide, columns}, kind, map) {
  const mark = document.createElement('i');
  mark.className = kind;
  mark.style.left = 100 * (map % columns) * wide / width + '%';
  mark.style.top = 100 * Math.floor(map / columns) * high / height + '%';
  mark.style.width = 100 * across * scale / width + '%';
  mark.style.height = 100 * rows * scale / height + '%';
  parentNode.append(mark);
}

// One map on a canvas of 168 x 168, with a frame around `marked` of its pixels.
function paintBig(canvas, rows, across, shade, marked) {
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

// ---- what is shown ----

let shown = null;  // the last answer: step, input, conv1, ..., probabilities
let weights = {shapes: {}};  // of a checkpoint: step, conv1_w, conv1_b, ...
let pixel = null;  // {layer, map, row, column}, pointed at
let bar = null;  // the class whose bar was pointed at since
const dim = (reason, is) => document.body.classList.toggle(reason, is);

function paint() {
  const y = shown && shown.probabilities;
  const read = y ? y.indexOf(Math.max(...y)) : -1;
  const percents = Array.from(y || [], p => (100 * p).toFixed(1) + '%');
  [...$('bars').children].forEach((line, i) => {
    line.className = i === read ? 'read' : '';
    line.style.setProperty('--p', y ? y[i] : 0);
    line.lastChild.textContent = percents[i] || '';
    line.setAttribute('aria-label', `${i}: ${percents[i] || ''}`);
  });
  $('read').firstChild.textContent = y ? read : '\u00a0';
  $('read').lastChild.textContent = percents[read] || '\u00a0';
  $('undrawn').textContent = network.undrawn.length ? words.undrawn(network.undrawn) : '';
  for (const layer of Object.values(layers)) paintLayer(layer, shown && shown[layer.name]);
  paintPixel();
}

// The part of the input on which a pixel depends: row, column, rows, columns; null if not known.
function fieldOf({layer, row, column}) {
  let field = [row, column, 1, 1];
  for (; layer !== 'input'; layer = network.sources[layer]) {
    if (!explained(layer)) return null;
    const [rows, columns] = weights.shapes[layer + '_w'] || [], [r, c, high, wide] = field;
    field = rows ? [r - (rows - 1 >> 1), c - (columns - 1 >> 1), high + rows - 1, wide + columns - 1]
      : field.map(n => 2 * n);
  }
  return field;
}

function paintPixel() {
  const [rows, across] = network.size, at = bar === null ? pixel : null;
  paintBig($('input'), rows, across,
    (r, c) => shades[shown ? Math.round(255 * shown.input[across * r + c]) : 0], at && fieldOf(at));
  for (const mark of document.querySelectorAll('#layers i')) mark.remove();
  const layer = nearLayer(), map = pixel ? pixel.map : 0;
  if (layer) {
    const {name, rows, across, maps, colours} = layer;
    paintBig($('near'), rows, across, (r, c) => colours[(r * across + c) * maps + map],
      at && [at.row, at.column, 1, 1]);
    $('mapname').textContent = name;
    $('mapnumber').textContent = words.map(map + 1);
    frame(layer, 'most', map);
  }
  showSum();
}

// ---- the sum of a pixel: numbers as text, of three digits after the point ----

const text = number => number === null ? null : number.toFixed(3).replace(/^-(0\.000)$/, '$1');

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

// The number of a layer or of the input; null beyond the edge.
function at(name, map, row, column) {
  const [rows, columns, maps = 1] = shown.shapes[name];
  const inside = row >= 0 && row < rows && column >= 0 && column < columns;
  return inside ? shown[name][(row * columns + column) * maps + map] : null;
}

// Whether the page can say how the numbers of a layer come about.
const explained = name => name in network.sources && (name.startsWith('pool') || name + '_w' in weights);
const isPointed = () => !!((pixel || bar !== null) && shown && shown.probabilities);
const minus = number => number.replace('-', '−');
const bold = number => Object.assign(document.createElement('b'), {textContent: number});
const largest = numbers => Math.max(1e-3, ...numbers.map(Math.abs));

// Shows a table of numbers, so many in a line; 0.123 is .123, as there is little room.
function addTable(sign, name, numbers, columns, kind, most) {
  const table = document.createElement('div');
  table.innerHTML = `<span>${sign}</span><figure><figcaption>${name}</figcaption><div></div></figure>`;
  const grid = table.querySelector('figure > div');
  const lines = numbers.map(number => minus(number || '0').replace(/^(−?)0\./, '$1.').replace(/^\.0+$/, '0'));
  const width = Math.ceil(6.7 * Math.max(5, ...lines.map(line => line.length)));
  const room = Math.floor($('sum').clientWidth / (width + 1));
  grid.style.gridTemplateColumns = `repeat(${Math.min(columns, room)}, ${width}px)`;
  numbers.forEach((number, i) => {
    const cell = document.createElement('div');
    cell.textContent = lines[i];
    cell.className = number === null ? 'beyond' : kind || (number < 0 ? 'negative' : 'positive');
    cell.style.setProperty('--part', Math.min(1, Math.abs(number) / most).toFixed(3));
    grid.append(cell);
  });
  $('grids').append(table);
  return grid.children;
}

// Shows where the number pointed at comes from; nothing without one, or before the first answer.
function showSum() {
  const known = isPointed();
  if (lacksWeights()) return wake();  // until they are here, the last sum stays
  $('hint').hidden = known;
  $('grids').replaceChildren();
  $('total').replaceChildren();
  if (known) bar === null ? showPixel(pixel) : showLogit(bar);
}

function showPixel({layer: name, map, row, column}) {
  const value = at(name, map, row, column), below = network.sources[name];
  $('total').append(words.place(row + 1, column + 1));
  if (!explained(name)) $('total').append(bold(minus(text(value))));
  else if (!name.startsWith('pool')) showConvolution(name, map, row, column);
  else {
    const four = [0, 1, 2, 3].map(i => at(below, map, 2 * row + (i >> 1), 2 * column + i % 2));
    const most = four.indexOf(value);
    addTable('', below, four.map(text), 2, 'level', layers[below].most)[most].classList.add('most');
    $('total').append(words.largest(below), bold(minus(text(value))));
    if (network.sources[below] === 'input' || !explained(below)) return;
    $('total').append(' = ');
    showConvolution(below, map, 2 * row + (most >> 1), 2 * column + most % 2);
  }
}

// Of one map below it shows the patch, the kernel and their products; of several, the sum of the
// products for each. These terms + bias = sum, and its ReLU is the pixel.
function showConvolution(name, map, row, column) {
  const below = network.sources[name], [high, wide, maps, kernels] = weights.shapes[name + '_w'];
  const patch = [], kernel = [], terms = Array(maps > 1 ? maps : high * wide).fill(0);
  for (let i = 0; i < high * wide * maps; i++) {
    const place = Math.floor(i / maps), down = Math.floor(place / wide) - (high - 1 >> 1);
    patch.push(at(below, i % maps, row + down, column + place % wide - (wide - 1 >> 1)));
    kernel.push(weights[name + '_w'][i * kernels + map]);
    terms[i % terms.length] += patch[i] * kernel[i];
  }
  terms.push(weights[name + '_b'][map]);
  const value = at(name, map, row, column);
  const sum = value > 0 ? value : Math.min(0, terms.reduce((a, b) => a + b));
  const numbers = thatAddUp(terms, sum), bias = numbers.pop(), most = largest(numbers);
  if (maps > 1) addTable('', words.partial(maps, below), numbers, 8, '', most);
  else {
    addTable('', words.patch(high, wide), patch.map(text), wide, 'level', 1);
    addTable('×', words.kernel, kernel.map(text), wide, '', largest(kernel));
    addTable('=', words.products(numbers.length), numbers, wide, '', most);
  }
  const what = maps > 1 ? words.partial(maps) : words.products(numbers.length);
  $('total').append(words.sum(what, minus(bias), minus(text(sum))), bold(text(value)));
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
  const layer = layers[name], kindOf = number => number < 0 ? 'negative' : 'positive';
  if (layer && !layer.isMaps) order.forEach((j, k) => frame(layer, kindOf(numbers[k]), j));
  const totals = parts.map(part => text(part.reduce((sum, number) => sum + Number(number), 0)));
  const all = [...totals, ...numbers.slice(2 * n), text(shown.logits[i])].map(minus);
  $('total').append(words.logit(i, n, others.length, ...all), bold(share));
}

function showStatus(state, step) {
  const status = $('status'), text = state === 'live' ? words.step(step) : words[state];
  if (status.textContent !== text) {
    status.textContent = text;
    status.className = '';
    void status.offsetWidth;  // so that the animation begins anew
    status.className = state + (state === 'live' ? ' newer' : '');
  }
}

// Shows a line at once or, while one draws, after a second without a stroke.
function showError(line, later) {
  clearTimeout(alarm);
  if (later) alarm = setTimeout(() => showError(line, stroke), 1000);
  else $('error').textContent = line;
}

$('language').onclick = () => {
  kept.language = language = language === 'zh' ? 'en' : 'zh';
  say();
  showError('');
  paint();
  wake();  // for the status
};

// ---- the field ----

const SIDE = 280, PEN = 20;  // of the drawing that is sent
const MAX_BYTES = 64 * 2 ** 20;  // of a photo
const sheet = Object.assign(document.createElement('canvas'), {width: SIDE, height: SIDE});
const sheetContext = sheet.getContext('2d', {willReadFrequently: true});
const pen = $('pen');
let strokes = [], photo = null, stroke = null, alarm = null;

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

function begin(event) {
  stroke = [place(event)];
  stroke.pointer = event.pointerId;
  strokes.push(stroke);
}
pen.addEventListener('pointerdown', event => {
  if (event.button || stroke) return;
  if (photo) forget();
  pen.setPointerCapture(event.pointerId);
  begin(event);
  paintField();
  ask('drawing', event.timeStamp);
});
pen.addEventListener('pointermove', event => {
  if (!stroke || event.pointerId !== stroke.pointer) return;
  if (!strokes.includes(stroke)) begin(event);  // its first part was undone or cleared
  const events = event.getCoalescedEvents ? event.getCoalescedEvents() : [];
  for (const each of events.length ? events : [event]) stroke.push(place(each));
  paintField();
  ask('drawing', event.timeStamp);
});
pen.onpointerup = pen.onpointercancel = event => {
  if (stroke && event.pointerId === stroke.pointer) stroke = null;
};

function forget() {
  strokes = [];
  if (photo) URL.revokeObjectURL($('photo').src);
  photo = null;
  $('photo').hidden = true;
  $('photo').removeAttribute('src');
  shown = wanted.task = null;
  dim('doubtful', false);
  showError('');
}
function clear() {
  forget();
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
async function take(file) {
  if (!file) return;
  forget();
  stroke = null;
  photo = file;
  $('photo').src = URL.createObjectURL(file);
  $('photo').hidden = false;
  paintField();
  paint();
  if (file.size > MAX_BYTES) return showError(words.errors.large);
  const since = performance.now();
  try { file.content = new Blob([await file.arrayBuffer()]); } catch {}  // a folder, or changed
  if (photo !== file) return;
  if (file.content) ask('picture', since);
  else showError(words.errors.file);
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

function point(name, map, row, column) {
  const {rows, across, maps} = layers[name];
  if (!(map >= 0 && map < maps && row >= 0 && row < rows && column >= 0 && column < across)) return;
  pixel = {layer: name, map, row, column};
  bar = null;
  paintPixel();
}
const STEPS = {ArrowUp: [0, -1, 0], ArrowDown: [0, 1, 0], ArrowLeft: [0, 0, -1], ArrowRight: [0, 0, 1],
  '+': [1, 0, 0], '=': [1, 0, 0], '-': [-1, 0, 0]};  // maps, rows, columns
function move(event, layer) {
  if (!layer || !(event.key in STEPS)) return;  // without one: before the first answer
  const {name, rows, across, maps} = layer;
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
function pointAt(layer) {
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
  if (!nearLayer()) return;
  const {name, rows, across} = nearLayer();
  point(name, pixel ? pixel.map : 0, Math.floor(y * rows), Math.floor(x * across));
});

// ---- requests: one at a time, and of what is wanted now ----

let wake = () => {}, wanted = {task: null, since: 0};

function ask(task, since) {
  if (task === 'drawing') showError('');
  if (!wanted.task) wanted.since = since;
  wanted.task = task;
  wake();
}

// Returns {step, network, shapes, input, conv1, ...}, with error and text if there is no input, or
// {failed}: a line, where the script erred.
async function post(path, body) {
  const headers = {'Content-Type': 'application/octet-stream'};
  const response = await fetch(path, {method: 'POST', body, headers});
  if (!response.ok) return {failed: await response.text()};
  const buffer = await response.arrayBuffer();
  const end = new Uint8Array(buffer).indexOf(10);  // of the line of JSON
  const answer = JSON.parse(new TextDecoder().decode(buffer.slice(0, end)));
  const numbers = new Float32Array(buffer.slice(end + 1));
  let place = 0;
  for (const [name, shape] of Object.entries(answer.shapes)) {
    answer[name] = numbers.subarray(place, place += shape.reduce((a, b) => a * b, 1));
  }
  learn(answer);
  return answer;
}

async function serveTask() {
  const {task, since} = wanted;
  wanted.task = null;
  const body = {drawing, picture: () => photo.content, input: () => shown.input}[task]();
  const answer = await post('/' + task, body);
  // cleared meanwhile
  if (!strokes.length && !photo || task === 'picture' && !photo || task === 'input' && !shown) return answer;
  const {error, failed} = answer, isDoubtful = !!error && task === 'drawing';
  if (task !== 'input') {
    dim('doubtful', isDoubtful && !!shown);
    showError(failed ? words.failed(failed) : error ? words.errors[error] || answer.text : '', isDoubtful);
  }
  if (!isDoubtful) {
    shown = answer.input ? answer : null;
    paint();
  }
  requestAnimationFrame(() => setTimeout(() => {  // which is after the frame is painted
    performance.measure(task, {start: since, end: performance.now(), detail: answer.step});
    performance.clearMeasures(task);
  }));
  return answer;
}

const lacksWeights = () => isPointed() && weights.step !== shown.step;

async function run() {
  for (;;) {
    try {
      const path = lacksWeights() ? '/weights' : '/step', asks = !wanted.task;
      const answer = asks ? await post(path) : await serveTask(), {step} = answer;
      if (asks && path === '/weights') {
        weights = {step: shown && shown.step, shapes: {}, ...answer};
        paintPixel();
      }
      dim('lost', false);
      if (step !== undefined) {
        showStatus(step === null ? 'waiting' : 'live', step);
        if (shown && shown.step !== step && !wanted.task) ask('input', performance.now());
      }
    } catch (error) {
      showStatus('lost');
      dim('lost', true);
      await new Promise(resolve => setTimeout(resolve, 1000));
      if (!wanted.task && (photo ? photo.content : strokes.length)) {
        ask(photo ? 'picture' : 'drawing', performance.now());
      }
    }
    if (!wanted.task && !lacksWeights()) {
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
