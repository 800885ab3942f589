// The page: it paints what is shown, says how things stand, and asks for what is lacking.

import {ask, cancel, run, wake, wanted} from './answers.js';
import {content, paintField, stroke, toRead} from './field.js';
import {frame, layers, learn, mixShades, network, paintBig, paintLayer, shades} from './layers.js';
import settings from './settings.js';
import {bar, fieldOf, isPointed, keepWeights, listenTo, nearLayer, needsWeights, pixel, pointAtBar, show,
  showNothing, shown} from './shown.js';
import {showSum} from './sums.js';
import {$, changeLanguage, words} from './words.js';

let alarm = null;  // of an error that is shown later
const repaint = () => { paintField(); paint(); };
const dim = (reason, is) => document.body.classList.toggle(reason, is);

function paint() {
  const y = shown && shown.probabilities, percents = Array.from(y || [], p => (100 * p).toFixed(1) + '%');
  const label = y ? y.indexOf(Math.max(...y)) : -1;
  [...$('bars').children].forEach((button, i) => {
    button.className = i === label ? 'read' : '';
    button.style.setProperty('--p', y ? y[i] : 0);
    button.lastChild.textContent = percents[i] || '';
    button.setAttribute('aria-label', `${i}: ${percents[i] || ''}`);
  });
  $('read').firstChild.textContent = y ? label : '\u00a0';
  $('read').lastChild.textContent = percents[label] || '\u00a0';
  $('undrawn').textContent = network.undrawn.length ? words.undrawn(network.undrawn) : '';
  for (const layer of Object.values(layers)) paintLayer(layer, shown && shown[layer.name]);
  paintPointed();
}

// Paints the input and the enlarged map, with the pixel pointed at, and the sum behind it.
function paintPointed() {
  const marked = bar === null ? pixel : null, layer = nearLayer(), [high, wide] = network.size;
  paintBig($('input'), high, wide,
    (row, column) => shades[shown ? Math.round(255 * shown.input[wide * row + column]) : 0],
    marked && fieldOf(marked));
  for (const mark of document.querySelectorAll('#layers i')) mark.remove();
  if (layer) {
    const {name, rows, across, maps, colours} = layer, map = pixel ? pixel.map : 0;
    paintBig($('near'), rows, across, (row, column) => colours[(row * across + column) * maps + map],
      marked && [marked.row, marked.column, 1, 1]);
    $('mapname').textContent = name;
    $('mapnumber').textContent = words.map(map + 1);
    frame(layer, 'most', map);
  }
  if (needsWeights()) return wake();  // until they are here, the last sum stays
  $('hint').hidden = isPointed();
  showSum();
}

// If the network is another one, shows its layers without values, and a bar for each class.
function adapt(description) {
  if (!learn(description)) return;
  showNothing();
  Object.values(layers).filter(({isMaps}) => isMaps).forEach(listenTo);
  $('inputsize').textContent = network.size.join(' × ');
  $('map').hidden = !nearLayer();
  $('bars').innerHTML = Array.from({length: network.layers.logits[0]}, (_, i) =>
    `<button><span>${i}</span><i></i><em></em></button>`).join('');
  [...$('bars').children].forEach((button, i) => { button.onpointerenter = button.onfocus = () => pointAtBar(i); });
  paint();
}

function showStatus(state, step) {
  const line = state === 'live' ? words.step(step) : words[state];
  if ($('status').textContent === line) return;
  $('status').className = state;
  $('status').innerHTML = '<span></span>';  // a new element, so that its animation begins
  $('status').firstChild.textContent = line;
}

// Shows a line at once or, while one draws, after a second without a stroke.
function showError(line, later) {
  clearTimeout(alarm);
  if (later) alarm = setTimeout(() => showError(line, stroke), 1000);
  else $('error').textContent = line;
}

// Takes an answer. Returns whether it is shown: not if the field is empty or has another kind of content by now.
function take(asked, answer) {
  const {error, failed, network: description, step} = answer, isDoubtful = !!error && asked === 'drawing';
  if (description) adapt(description);
  const isShown = asked === 'input' ? !!shown : asked === toRead();
  if (isShown && asked !== 'input') {
    dim('doubtful', isDoubtful && !!shown);
    showError(failed ? words.failed(failed) : error ? words.errors[error] || answer.text : '', isDoubtful);
  }
  if (isShown && !isDoubtful) {
    show(answer.input ? answer : null);
    paint();
  }
  if (asked === 'weights') keepWeights(answer);
  dim('lost', false);
  if (step !== undefined) {
    showStatus(step === null ? 'waiting' : 'live', step);
    if (shown && shown.step !== step && !wanted) ask('input');
  }
  return isShown;
}

addEventListener('pointed', paintPointed);
addEventListener('filled', event => { showError(''); ask(toRead(), event.detail); });
addEventListener('refused', event => showError(words.errors[event.detail]));
addEventListener('emptied', () => {
  cancel();
  show(null);
  dim('doubtful', false);
  showError('');
  paint();
});
$('language').onclick = () => {
  changeLanguage();
  showError('');
  paint();
  wake();  // for the status
};
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => { mixShades(); repaint(); });
addEventListener('resize', repaint);

paintField();
adapt(settings.network);
run({
  due: () => needsWeights() ? 'weights' : 'step',
  body: asked => asked === 'input' ? shown.input : asked === toRead() ? content() : undefined,
  take,
  async lose() {
    showStatus('lost');
    dim('lost', true);
    keepWeights({step: null});  // the next script may have other weights of the same step
    await new Promise(resolve => setTimeout(resolve, 1000));
    if (!wanted && toRead()) ask(toRead());
  },
});
