// The field to draw on: the strokes of a drawing, or a photo. Its changes are events: 'emptied',
// 'filled' (detail: when) and 'refused' (detail: why).

import {colour} from './layers.js';
import settings from './settings.js';
import {$} from './words.js';

const SIDE = settings.side, PEN = SIDE / 14;  // of the drawing that is sent
const sheet = Object.assign(document.createElement('canvas'), {width: SIDE, height: SIDE});
const sheetContext = sheet.getContext('2d', {willReadFrequently: true});
const pen = $('pen');
export let strokes = [], photo = null, stroke = null;  // the stroke that is being drawn

// What is to be read, 'picture' or 'drawing', and its bytes.
export const toRead = () => photo ? photo.content && 'picture' : strokes.length ? 'drawing' : null;
export const content = () => photo ? photo.content : drawing();
const tell = (type, detail) => dispatchEvent(new CustomEvent(type, {detail}));

function paintStroke(context, points, scale, style) {
  context.lineCap = context.lineJoin = 'round';
  context.lineWidth = PEN * scale;
  context.strokeStyle = style;
  context.beginPath();
  context.moveTo(points[0][0] * scale, points[0][1] * scale);
  for (let i = 1; i < points.length - 1; i++) {  // round where the pointer went too fast
    const [x, y] = points[i], [after, below] = points[i + 1];
    context.quadraticCurveTo(x * scale, y * scale, (x + after) / 2 * scale, (y + below) / 2 * scale);
  }
  context.lineTo(...points[points.length - 1].map(n => n * scale));
  context.stroke();
}

export function paintField() {
  const side = Math.round(pen.clientWidth * devicePixelRatio);
  if (pen.width !== side) pen.width = pen.height = side;
  const context = pen.getContext('2d');
  context.clearRect(0, 0, side, side);
  for (const points of strokes) paintStroke(context, points, side / SIDE, colour('ink'));
  $('field').querySelector('p').hidden = strokes.length > 0 || photo !== null;
  $('undo').disabled = !strokes.length;
  $('clear').disabled = !strokes.length && !photo;
}

export function drawing() {
  sheetContext.fillStyle = '#fff';
  sheetContext.fillRect(0, 0, SIDE, SIDE);
  for (const points of strokes) paintStroke(sheetContext, points, 1, '#000');
  const {data} = sheetContext.getImageData(0, 0, SIDE, SIDE);
  return new Uint8Array(new Uint32Array(data.buffer));  // the lowest byte of each pixel, its red
}

function pointOf(event) {
  const box = pen.getBoundingClientRect();
  return [(event.clientX - box.left) / box.width * SIDE, (event.clientY - box.top) / box.height * SIDE];
}

function extendStroke(event) {
  // a new stroke, or the rest of one that was undone or cleared meanwhile
  if (!strokes.includes(stroke)) strokes.push(stroke = Object.assign([], {pointer: event.pointerId}));
  const events = event.getCoalescedEvents ? event.getCoalescedEvents() : [];
  for (const each of events.length ? events : [event]) stroke.push(pointOf(each));
  paintField();
  tell('filled', event.timeStamp);
}
pen.onpointerdown = event => {
  if (event.button || stroke) return;
  if (photo) clear();
  pen.setPointerCapture(event.pointerId);
  extendStroke(event);
};
const draws = event => stroke && event.pointerId === stroke.pointer;
pen.onpointermove = event => { if (draws(event)) extendStroke(event); };
pen.onpointerup = pen.onpointercancel = event => { if (draws(event)) stroke = null; };

export function clear() {
  strokes = [];
  if (photo) URL.revokeObjectURL($('photo').src);
  photo = null;
  $('photo').removeAttribute('src');
  tell('emptied');
  paintField();
}

function undo() {
  if (!strokes.length) return;
  strokes.pop();
  if (!strokes.length) return clear();
  paintField();
  tell('filled', performance.now());
}

export async function take(file) {
  if (!file) return;
  clear();
  stroke = null;
  photo = file;
  $('photo').src = URL.createObjectURL(file);
  paintField();
  if (file.size > settings.maxBytes) return tell('refused', 'large');
  const since = performance.now();
  try { file.content = new Blob([await file.arrayBuffer()]); } catch {}  // a folder, or a file that has changed
  if (photo !== file) return;
  if (file.content) tell('filled', since);
  else tell('refused', 'file');
}
$('undo').onclick = undo;
$('clear').onclick = clear;
$('choose').onclick = () => $('file').click();
$('file').onchange = () => { take($('file').files[0]); $('file').value = ''; };
$('photo').onerror = () => $('photo').removeAttribute('src');
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
