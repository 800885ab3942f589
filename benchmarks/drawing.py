"""Measures the time from a stroke on the page to its answer, and what drawing costs a training.

    pip install -r requirements-dev.txt; apt-get install chromium chromium-driver
    python benchmarks/drawing.py

draws 200 strokes on the page of mnist_lenet5_app.py in Chromium. The page itself measures the time
from the pointer event to the frame in which the answer is painted. The script then draws 200 more
beside a training, and compares the training's speed with and without drawing, in turn.
"""

import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

from selenium import webdriver

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PORT = 8029
QUIET = dict(os.environ, TF_CPP_MIN_LOG_LEVEL='3')

# Adds a dot to a drawing of a line, and returns the milliseconds until the answer is painted. The
# dots touch the line, so that each drawing is one figure and its answer has all layers.
STROKE = """
const done = arguments[arguments.length - 1], pen = document.getElementById('pen');
const box = pen.getBoundingClientRect(), at = Math.random;
if (!strokes.length || strokes.length > 4) {
  clear();
  strokes.push([[140, 60], [140, 220]]);
}
const observer = new PerformanceObserver(list => {
  observer.disconnect();
  done(list.getEntries()[0].duration);
});
observer.observe({type: 'measure'});
const there = {clientX: box.left + (.45 + .1 * at()) * box.width, button: 0, pointerId: 1,
               clientY: box.top + (.45 + .1 * at()) * box.height, bubbles: true};
pen.setPointerCapture = () => {};
pen.dispatchEvent(new PointerEvent('pointerdown', there));
pen.dispatchEvent(new PointerEvent('pointerup', there));
"""


def script(name, *flags, **streams):
    return subprocess.Popen(
        [sys.executable, os.path.join(ROOT, name), *flags], env=QUIET, cwd=ROOT, **streams
    )


def stroke_times(driver, n):
    times = []
    for _ in range(n):
        times.append(driver.execute_async_script(STROKE))
        time.sleep(0.05)  # a hand is not faster
    return times


def show(name, times):
    times = sorted(times)
    line = '%-20s median %.1f ms, 95th percentile %.1f ms, of %d strokes'
    print(line % (name, statistics.median(times), times[int(0.95 * len(times))], len(times)))


def saved(model):
    """Returns the highest step that is saved."""
    names = os.listdir(model) if os.path.exists(model) else []
    steps = [re.fullmatch(r'mnist_model-(\d+)\.index', name) for name in names]
    return max([int(match.group(1)) for match in steps if match], default=0)


def speed(model, seconds, work):
    """Returns the steps per second of the training, while work() is called again and again."""
    before = saved(model)
    while saved(model) == before:  # start timing at a save
        time.sleep(0.01)
    first, begin = saved(model), time.monotonic()
    while time.monotonic() < begin + seconds:
        work()
    last = saved(model)
    while saved(model) == last:
        time.sleep(0.01)
    return (saved(model) - first) / (time.monotonic() - begin)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--strokes', type=int, default=200)
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--seconds', type=float, default=20, help='of each part of a round')
    args = parser.parse_args()
    options = webdriver.ChromeOptions()
    for flag in '--headless=new', '--no-sandbox', '--disable-dev-shm-usage':
        options.add_argument(flag)
    service = webdriver.ChromeService(shutil.which('chromedriver'))
    driver = webdriver.Chrome(options=options, service=service)
    with tempfile.TemporaryDirectory() as model:
        training = script('mnist_lenet5_backward.py', '--steps', '101', '--model_dir', model)
        training.wait()
        app = script(
            'mnist_lenet5_app.py', '--no_browser', '--port', str(PORT), '--model_dir', model
        )
        try:
            time.sleep(10)
            driver.get('http://127.0.0.1:%d/' % PORT)
            time.sleep(2)
            stroke_times(driver, 10)
            show('alone', stroke_times(driver, args.strokes))
            training = script(
                'mnist_lenet5_backward.py', '--model_dir', model, stdout=subprocess.DEVNULL
            )
            while saved(model) < 301:
                time.sleep(0.1)
            show('beside a training', stroke_times(driver, args.strokes))
            ratios = []
            for _ in range(args.rounds):
                drawing = speed(model, args.seconds, lambda: stroke_times(driver, 1))
                driver.get('about:blank')
                without = speed(model, args.seconds, lambda: time.sleep(0.1))
                driver.get('http://127.0.0.1:%d/' % PORT)
                ratios.append(drawing / without)
            print('a training while one draws: %.2f times as fast' % statistics.median(ratios))
        finally:
            driver.quit()
            app.kill()
            training.kill()
            app.wait()
            training.wait()


if __name__ == '__main__':
    main()
