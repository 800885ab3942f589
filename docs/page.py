"""Makes the two pictures of the app in the README, with the network in a model folder.

    pip install -r requirements-dev.txt
    apt-get install chromium chromium-driver fonts-wqy-microhei
    python docs/page.py model

docs/page.png shows the page in Chromium, on which a 3 is drawn. docs/layers.png shows a 2 that was
drawn there, by mnist_lenet5_app.py --layers.
"""

import os
import subprocess
import sys
import tempfile
import time

sys.path.append(os.path.join(os.path.dirname(__file__), '..', 'tests', 'app'))

import browser
import numpy as np
from PIL import Image

DOCS = os.path.dirname(os.path.abspath(__file__))
APP = [sys.executable, os.path.join(os.path.dirname(DOCS), 'mnist_lenet5_app.py')]
PORT = '8030'

# the places of the pointer, as fractions of the field
TWO = [(0.34, 0.3), (0.42, 0.2), (0.57, 0.19), (0.64, 0.3), (0.56, 0.48), (0.35, 0.76), (0.68, 0.8)]
THREE = [(0.28, 0.25), (0.4, 0.19), (0.52, 0.17), (0.64, 0.2), (0.69, 0.29), (0.65, 0.39)]
THREE += [(0.56, 0.45), (0.47, 0.48), (0.58, 0.51), (0.69, 0.59), (0.72, 0.7), (0.66, 0.8)]
THREE += [(0.54, 0.85), (0.4, 0.83), (0.28, 0.77)]
DRAW = """
const pen = $('pen'), box = pen.getBoundingClientRect();
const at = ([x, y]) => ({clientX: box.left + x * box.width, clientY: box.top + y * box.height,
                         button: 0, pointerId: 1, bubbles: true});
pen.setPointerCapture = () => {};
field.clear();
pen.dispatchEvent(new PointerEvent('pointerdown', at(arguments[0][0])));
for (const place of arguments[0]) pen.dispatchEvent(new PointerEvent('pointermove', at(place)));
pen.dispatchEvent(new PointerEvent('pointerup', at(arguments[0].pop())));
"""


def main():
    model = sys.argv[1] if len(sys.argv) == 2 else sys.exit(__doc__)
    driver = browser.chromium('hide-scrollbars') or sys.exit('needs Chromium with chromedriver')
    flags = '--no_browser', '--port', PORT, '--model_dir', model
    app = subprocess.Popen([*APP, *flags], stderr=subprocess.PIPE, encoding='utf-8')
    try:
        next(line for line in app.stderr if line.startswith('http'))
        size = {'width': 1320, 'height': 1000, 'deviceScaleFactor': 1, 'mobile': False}
        driver.execute_cdp_cmd('Emulation.setDeviceMetricsOverride', size)
        driver.get('http://127.0.0.1:%s/' % PORT)
        browser.run(driver, DRAW, TWO)
        levels = np.array(browser.run(driver, 'return [...field.drawing()]'), np.uint8)
        browser.run(driver, DRAW, THREE)
        browser.run(driver, "shown.point('conv1', 8, 16, 16)")
        time.sleep(3)
        driver.save_screenshot(os.path.join(DOCS, 'page.png'))
    finally:
        driver.quit()
        app.kill()
        app.wait()
    with tempfile.TemporaryDirectory() as folder:
        two = os.path.join(folder, '2.png')
        Image.fromarray(levels.reshape([int(levels.size**0.5)] * 2)).save(two)
        flags = '--layers', os.path.join(DOCS, 'layers.png'), '--model_dir', model
        subprocess.run([*APP, two, *flags], check=True)


if __name__ == '__main__':
    main()
