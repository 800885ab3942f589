"""Measures the time from a stroke on the page to its answer, and what drawing costs a training.

    pip install -r requirements-dev.txt; apt-get install chromium chromium-driver
    python benchmarks/drawing.py

draws 200 strokes on the page of mnist_lenet5_app.py in Chromium. The page itself measures the time
from the pointer event to the frame in which the answer is painted. The script then draws 200 more
beside a training, and compares the training's speed with and without drawing, in turn.
"""

import os
import re
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.append(os.path.join(os.path.dirname(__file__), '..', 'tests', 'app'))

import browser

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PORT = '8029'
PAGE = f'http://127.0.0.1:{PORT}/'
STROKES = 200
ROUNDS, SECONDS = 3, 20  # of drawing and not drawing beside a training
QUIET = dict(os.environ, TF_CPP_MIN_LOG_LEVEL='3')

# Adds a dot to a drawing of a line, and returns the milliseconds until the answer is painted. The
# dots touch the line, so that each drawing is one figure and its answer has all layers.
STROKE = """
const pen = $('pen'), box = pen.getBoundingClientRect(), random = Math.random;
if (!field.strokes.length || field.strokes.length > 4) {
  field.clear();
  field.strokes.push([[140, 60], [140, 220]]);
}
const duration = new Promise(resolve => {
  const observer = new PerformanceObserver(list => {
    observer.disconnect();
    resolve(list.getEntries()[0].duration);
  });
  observer.observe({type: 'measure'});
});
const dot = {clientX: box.left + (.45 + .1 * random()) * box.width, button: 0, pointerId: 1,
             clientY: box.top + (.45 + .1 * random()) * box.height, bubbles: true};
pen.setPointerCapture = () => {};
pen.dispatchEvent(new PointerEvent('pointerdown', dot));
pen.dispatchEvent(new PointerEvent('pointerup', dot));
return duration;
"""


def script(*command):
    command = [sys.executable, *command]
    return subprocess.Popen(command, env=QUIET, cwd=ROOT, stdout=subprocess.DEVNULL)


def draw(driver):
    """Draws a stroke and returns the milliseconds until its answer."""
    time.sleep(0.05)  # a hand is not faster
    return browser.run(driver, STROKE)


def show(name, driver):
    times = sorted(draw(driver) for _ in range(STROKES))
    line = '%-20s median %.1f ms, 95th percentile %.1f ms, of %d strokes'
    print(line % (name, statistics.median(times), times[int(0.95 * STROKES)], STROKES))


def next_save(model):
    """Waits until the training saves a step, and returns the step."""
    before = saved(model)
    while saved(model) == before:
        time.sleep(0.01)
    return saved(model)


def saved(model):
    steps = re.findall(r'mnist_model-(\d+)\.index', ' '.join(os.listdir(model)))
    return max(map(int, steps))


def speed(model, work):
    """Returns the steps per second of the training, while work() is called again and again."""
    first, begin = next_save(model), time.monotonic()
    while time.monotonic() < begin + SECONDS:
        work()
    return (next_save(model) - first) / (time.monotonic() - begin)


def main():
    driver = browser.chromium() or sys.exit('needs Chromium with chromedriver')
    with tempfile.TemporaryDirectory() as model:
        folder = '--model_dir', model
        training = script('mnist_lenet5_backward.py', '--steps', '101', *folder)
        training.wait()
        app = script('mnist_lenet5_app.py', '--no_browser', '--port', PORT, *folder)
        try:
            time.sleep(10)
            driver.get(PAGE)
            time.sleep(2)
            for _ in range(10):
                draw(driver)
            show('alone', driver)
            training = script('mnist_lenet5_backward.py', *folder)
            next_save(model)
            show('beside a training', driver)
            ratios = []
            for _ in range(ROUNDS):
                drawing = speed(model, lambda: draw(driver))
                driver.get('about:blank')
                without = speed(model, lambda: time.sleep(0.1))
                driver.get(PAGE)
                ratios.append(drawing / without)
            print('a training while one draws: %.2f times as fast' % statistics.median(ratios))
        finally:
            driver.quit()
            for process in app, training:
                process.kill()
                process.wait()


if __name__ == '__main__':
    main()
