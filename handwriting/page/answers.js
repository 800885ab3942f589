// Requests to the script: one at a time, for what is wanted now.

export let wake = () => {};  // ends the pause before the next request
export let wanted = null;  // 'drawing', 'picture' or 'input'
let since = 0;  // when it was first wanted

export const cancel = () => { wanted = null; };

export function ask(task, time = performance.now()) {
  if (!wanted) since = time;
  wanted = task;
  wake();
}

// Returns {step, network, shapes, input, conv1, ...}; {step, network, shapes, error, text} if there
// is no digit to read; {failed: a line} if the script made an error.
async function post(path, body) {
  const headers = {'Content-Type': 'application/octet-stream'};
  const response = await fetch(path, {method: 'POST', body, headers});
  if (!response.ok) return {failed: await response.text()};
  const buffer = await response.arrayBuffer();
  const end = new Uint8Array(buffer).indexOf(10);  // of the line of JSON
  const answer = JSON.parse(new TextDecoder().decode(buffer.slice(0, end)));
  const numbers = new Float32Array(buffer.slice(end + 1));
  let first = 0;
  for (const [name, shape] of Object.entries(answer.shapes)) {
    answer[name] = numbers.subarray(first, first += shape.reduce((a, b) => a * b, 1));
  }
  return answer;
}

// Asks for what is wanted, else for what due() returns, 'weights' or 'step'. Never ends. body(task)
// returns what to send, take(task, answer) whether it is shown. Without an answer, calls lose().
export async function run({due, body, take, lose}) {
  for (;;) {
    const task = wanted || due(), start = since;
    wanted = null;
    try {
      const answer = await post('/' + task, body(task));
      if (take(task, answer)) requestAnimationFrame(() => setTimeout(() => {  // the frame is painted
        performance.measure(task, {start, end: performance.now(), detail: answer.step});
        performance.clearMeasures(task);
      }));
    } catch {
      await lose();
    }
    if (!wanted && due() === 'step') {
      await new Promise(resolve => { wake = resolve; setTimeout(resolve, 1000); });
    }
  }
}
