"""mnist_lenet5_app: from files, and its page in a real browser."""

import os
import re
import runpy
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from decimal import Decimal

from support import pictures

import numpy as np
import pytest
import reference
import sheets
import tensorflow.compat.v1 as tf
from helpers import DATA, ROOT, write_checkpoint

import input_data
import mnist_lenet5_app
import mnist_lenet5_backward
import mnist_lenet5_forward
from handwriting import layers, live, photo, server

SCRIPT = os.path.join(ROOT, 'mnist_lenet5_app.py')
TEST = input_data.read_data_sets(DATA, one_hot=True).test
LABELS = TEST.labels[:40].argmax(axis=1)
QUIET = dict(os.environ, TF_CPP_MIN_LOG_LEVEL='3')


def picture(i):
    """A PNG file of the i-th test digit on a sheet."""
    ink = sheets.drawn(TEST.images[i].reshape(28, 28), 240, 320, 120, np.random.RandomState(i))
    return pictures.png(sheets.levels_of(1 - 0.85 * ink))


@pytest.fixture
def run(monkeypatch, capsys):
    """run(*flags): what main() returns, and the lines on stdout and stderr."""
    monkeypatch.setattr(mnist_lenet5_backward, 'MODEL_SAVE_PATH', './model/')

    def run(*flags):
        monkeypatch.setattr(sys, 'argv', ['mnist_lenet5_app.py', *map(str, flags)])
        status = mnist_lenet5_app.main()
        captured = capsys.readouterr()
        return status, captured.out.splitlines(), captured.err.splitlines()

    return run


def test_files(run, trained, tmp_path):
    """A line for each, in their order, also for those that cannot be read."""
    for i in range(4):
        (tmp_path / ('%d.png' % i)).write_bytes(picture(i))
    (tmp_path / 'x.png').write_bytes(b'no')
    names = [tmp_path / name for name in ('0.png', '1.png', 'x.png', '2.png', 'y.png', '3.png')]
    status, out, err = run(*names, '--model_dir', trained)
    assert status == 1
    found = [re.fullmatch(r'(.+): (\d) \((\d+\.\d)%\)', line).groups() for line in out]
    assert [name for name, _, _ in found] == [str(names[i]) for i in (0, 1, 3, 5)]
    assert [int(digit) for _, digit, _ in found] == LABELS[:4].tolist()
    assert all(10 <= float(percent) <= 100 for _, _, percent in found)
    assert [line.split(': ')[:2] for line in err] == [['error', str(names[i])] for i in (2, 4)]


def test_no_checkpoint(run, tmp_path):
    (tmp_path / '0.png').write_bytes(picture(0))
    found = run(tmp_path / '0.png', '--model_dir', tmp_path / 'model')
    assert found == (1, ['No checkpoint file found'], [])


def test_layers(run, trained, tmp_path):
    (tmp_path / '0.png').write_bytes(picture(0))
    flags = tmp_path / '0.png', '--model_dir', trained, '--layers'
    status, out, err = run(*flags, tmp_path / 'layers.png')
    assert (status, len(out), err) == (0, 1, [])
    assert (tmp_path / 'layers.png').read_bytes().startswith(b'\x89PNG')
    with pytest.raises(OSError) as caught:  # which `command_line` says in a line
        run(*flags, tmp_path / 'no' / 'layers.png')
    assert caught.value.filename == str(tmp_path / 'no' / 'layers.png')


@pytest.mark.parametrize(
    'flags',
    [
        ['--layers', 'x.png'],
        ['--layers', 'x.png', 'a.png', 'b.png'],
        ['--layers', 'x.jpg', 'a.png'],
        ['--port', '0'],
        ['--port', '65536'],
        ['--port', 'x'],
        ['--model_dir', ''],
        ['--no'],
    ],
)
def test_wrong_usage(flags, monkeypatch, capsys):
    monkeypatch.setattr(sys, 'argv', ['mnist_lenet5_app.py', *flags])
    with pytest.raises(SystemExit) as caught:
        mnist_lenet5_app.main()
    assert caught.value.code == 2
    assert capsys.readouterr().err.startswith('usage: ')


@pytest.mark.parametrize('missing', ['PIL', 'scipy', 'skimage'])
def test_a_missing_library(missing, monkeypatch):
    """One line with the command that installs it."""
    for name in list(sys.modules):
        if name.startswith(('handwriting', missing)):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(SystemExit) as caught:
        runpy.run_path(SCRIPT)
    assert caught.value.code == (
        'error: the app needs Pillow, SciPy and scikit-image: %s -m pip install -r '
        'requirements-app.txt' % sys.executable
    )


@pytest.mark.posix
def test_a_name_that_stdout_cannot_encode(trained, tmp_path):
    names = b'\xe6\x95\xb0.png', b'\xff.png'
    for name in names:
        with open(os.path.join(os.fsencode(str(tmp_path)), name), 'wb') as file:
            file.write(picture(0))
    paths = [str(tmp_path / os.fsdecode(name)) for name in names]
    process = subprocess.run(
        [sys.executable, SCRIPT, *paths, '--model_dir', trained],
        stdout=subprocess.PIPE,
        env=dict(QUIET, PYTHONIOENCODING='ascii', PYTHONUTF8='1'),
    )
    found = [os.path.basename(line) for line in process.stdout.decode('ascii').splitlines()]
    assert [line.split(':')[0] for line in found] == ['\\u6570.png', '\\udcff.png']
    assert process.returncode == 0


@pytest.mark.posix
def test_ctrl_c(tmp_path, handlers):
    """The address on stderr, and nothing more at the end."""
    with socket.socket() as one:
        one.bind(('127.0.0.1', 0))
        port = one.getsockname()[1]
    command = [sys.executable, SCRIPT, '--no_browser', '--port', str(port)]
    process = subprocess.Popen(
        [*command, '--model_dir', str(tmp_path)], stderr=subprocess.PIPE, env=QUIET
    )
    with process.stderr:
        line = next(line for line in process.stderr if line.startswith(b'http'))
        assert line == b'http://127.0.0.1:%d/ (Ctrl-C ends)\n' % port
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
        assert process.stderr.read() == b''


# ---- in a browser ----

BROWSERS = 'chromium', 'chromium-browser', 'google-chrome'


@pytest.fixture(scope='module')
def driver():
    webdriver = pytest.importorskip('selenium.webdriver', reason='selenium is not installed')
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if not browser or not shutil.which('chromedriver'):
        pytest.skip('there is no Chromium with chromedriver')
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    options.add_argument('--headless=new')
    options.add_argument('--window-size=1300,1000')
    options.add_argument('--disable-dev-shm-usage')
    if hasattr(os, 'geteuid') and os.geteuid() == 0:
        options.add_argument('--no-sandbox')
    options.set_capability('goog:loggingPrefs', {'browser': 'ALL'})
    service = webdriver.ChromeService(shutil.which('chromedriver'))
    driver = webdriver.Chrome(options=options, service=service)
    yield driver
    driver.quit()


def live_of(model):
    with tf.Graph().as_default():
        x = tf.placeholder(tf.float32, [None, 28, 28, 1])
        y = mnist_lenet5_forward.forward(x, False, None)
        shadows = tf.train.ExponentialMovingAverage(0.99).variables_to_restore()
        return live.Live(str(model), x, layers.find(x, y), tf.train.Saver(shadows), shadows)


@pytest.fixture(scope='module')
def newest(trained):
    found = live_of(trained)
    found.update()
    return found


@pytest.fixture(scope='module')
def serving(newest):
    found = server.Server(0, newest.answers)
    threading.Thread(target=found.serve_forever, daemon=True).start()
    yield found
    found.shutdown()
    found.server_close()


@pytest.fixture
def page(driver, serving, newest):
    """The driver, with the page of the trained network open anew."""
    serving.answers = dict(newest.answers)
    driver.get(serving.address)
    yield driver
    driver.execute_cdp_cmd('Emulation.clearDeviceMetricsOverride', {})
    driver.get('about:blank')
    assert not [entry for entry in driver.get_log('browser') if entry['level'] == 'SEVERE']


def until(condition, what, seconds=30):
    """Waits for a condition, a function; returns what it gives."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(what)


def text(page, name):
    return page.execute_script('return document.getElementById(arguments[0]).innerText', name)


def read(page):
    """The digit that the page shows as read, or ''."""
    return text(page, 'read').strip().split('\n')[0].strip()


STROKES = {
    '1': [[(0.5, 0.2), (0.5, 0.8)]],
    '2': [
        [(0.3, 0.32), (0.4, 0.2), (0.6, 0.2), (0.68, 0.35), (0.5, 0.55), (0.3, 0.78), (0.7, 0.78)]
    ],
    '4': [[(0.35, 0.2), (0.3, 0.5), (0.7, 0.5)], [(0.65, 0.2), (0.62, 0.82)]],
    '7': [[(0.3, 0.22), (0.7, 0.22), (0.5, 0.5), (0.42, 0.82)]],
}


def draw(page, strokes):
    from selenium.webdriver.common.action_chains import ActionChains

    pen = page.find_element('id', 'pen')
    side = pen.size['width']
    actions = ActionChains(page, duration=20)
    for stroke in strokes:
        places = [(int((x - 0.5) * side), int((y - 0.5) * side)) for x, y in stroke]
        actions.move_to_element_with_offset(pen, *places[0]).click_and_hold()
        for place in places[1:]:
            actions.move_to_element_with_offset(pen, *place)
        actions.release()
    actions.perform()


def draw_and_wait(page, digit):
    draw(page, STROKES[digit])
    until(lambda: read(page) == digit, 'the %s is read' % digit)


def point_at(page, layer, row, column, kernel):
    page.execute_script('point(...arguments)', layer, kernel, row, column)


def test_drawn_digits_are_read(page):
    for digit in STROKES:
        draw_and_wait(page, digit)
        page.find_element('id', 'clear').click()
        assert read(page) == ''


def test_drawn_with_a_finger(page):
    pen = page.find_element('id', 'pen')

    def touch(kind, *places):
        points = [
            {
                'x': pen.rect['x'] + x * pen.size['width'],
                'y': pen.rect['y'] + y * pen.size['height'],
            }
            for x, y in places
        ]
        page.execute_cdp_cmd('Input.dispatchTouchEvent', {'type': kind, 'touchPoints': points})

    for stroke in STROKES['4']:
        touch('touchStart', stroke[0])
        for place in stroke[1:]:
            touch('touchMove', place)
        touch('touchEnd')
    until(lambda: read(page) == '4', 'the 4 is read')


def test_undo_and_keyboard(page):
    from selenium.webdriver.common.keys import Keys

    draw(page, STROKES['7'] + [[(0.1, 0.2), (0.1, 0.8)]])
    until(lambda: text(page, 'error'), 'two strokes are two figures')
    page.find_element('tag name', 'body').send_keys(Keys.CONTROL, 'z')
    until(lambda: read(page) == '7', 'the first stroke alone is read')
    assert text(page, 'error') == ''
    page.find_element('tag name', 'body').send_keys(Keys.ESCAPE)
    until(lambda: read(page) == '', 'all is cleared')
    assert not page.find_element('id', 'undo').is_enabled()


def test_checkpoints_show_without_a_reload(page, serving, tmp_path):
    """The first one, and a newer one, by which the drawing is read anew."""
    newest = live_of(tmp_path / 'model')
    serving.answers = newest.answers
    until(lambda: 'no checkpoint yet' in text(page, 'status'), 'the page waits')
    draw(page, STROKES['7'])
    bars = ''
    for step in 1, 101:
        parameters = reference.initial_parameters(step)
        write_checkpoint(tmp_path / 'model', step, parameters, parameters)
        newest.update()
        until(lambda step=step: 'step %d' % step in text(page, 'status'), 'the step is shown')
        before = bars
        bars = until(lambda before=before: text(page, 'bars') != before and text(page, 'bars'), '')


def test_a_photo_is_read_as_from_a_file(page, run, trained, tmp_path):
    """Chosen, dropped and pasted."""
    paths = {i: str(tmp_path / ('%d.png' % i)) for i in (1, 4)}
    for i, path in paths.items():
        with open(path, 'wb') as file:
            file.write(picture(i))
    _, lines, _ = run(*paths.values(), '--model_dir', trained)
    found = [re.search(r': (\d) \((.+)\)$', line).groups() for line in lines]
    expected = dict(zip(paths, found))
    page.find_element('id', 'file').send_keys(paths[1])
    until(lambda: tuple(text(page, 'read').split()) == expected[1], 'the chosen photo is read')
    for i, event in (
        (4, "DragEvent('drop', {dataTransfer"),
        (1, "ClipboardEvent('paste', {clipboardData"),
    ):
        page.execute_script(
            """
            const transfer = new DataTransfer();
            transfer.items.add(new File([new Uint8Array(arguments[0])], 'x.png'));
            document.body.dispatchEvent(new %s: transfer, bubbles: true}));
            """
            % event,
            list(picture(i)),
        )
        until(lambda i=i: tuple(text(page, 'read').split()) == expected[i], event)
    page.find_element('id', 'file').send_keys(__file__)
    until(lambda: 'JPEG' in text(page, 'error'), 'what is no picture is said')
    assert read(page) == ''


def test_a_file_that_is_too_large(page):
    """It is not sent: a server that refuses it is not heard before it is sent."""
    page.execute_script("take(new File([new Uint8Array(%d)], 'x.png'))" % (photo.MAX_BYTES + 1))
    until(lambda: '64 MB' in text(page, 'error'), 'the page says so')
    page.execute_script("take(new File([new Uint8Array(%d)], 'x.png'))" % photo.MAX_BYTES)
    until(lambda: 'no picture' in text(page, 'error'), 'it is sent')


def test_an_error_of_ours(page, serving, newest):
    def fail(body):
        raise IndexError('of <ours>')

    serving.answers['/drawing'] = 100000, fail
    draw(page, STROKES['7'])
    until(lambda: 'IndexError' in text(page, 'error'), 'the page shows the line')
    assert 'step 300' in text(page, 'status')
    serving.answers['/drawing'] = newest.answers['/drawing']
    page.get_log('browser')  # which has the status 500
    page.find_element('id', 'clear').click()
    assert text(page, 'error') == ''
    draw_and_wait(page, '7')


def test_nothing_from_elsewhere_and_one_request_at_a_time(page, serving, newest):
    most, drawing = newest.answers['/drawing']
    waiting, seen = [], []

    def slow(body):
        waiting.append(body)
        time.sleep(0.05)
        seen.append(len(waiting))
        waiting.pop()
        return drawing(body)

    serving.answers['/drawing'] = most, slow
    draw_and_wait(page, '2')
    assert len(seen) > 2 and set(seen) == {1}
    loaded = page.execute_script("return performance.getEntriesByType('resource').map(e => e.name)")
    files = {serving.address + name for name in ('style.css', 'words.js', 'page.js')}
    assert files <= set(loaded)
    assert all(name.startswith(serving.address) for name in loaded)


def decimals(lines):
    return [Decimal(number or '0') for number in lines]


def test_conv1_pixels(page):
    """As shown, products and bias add up, to what the network gave."""
    draw_and_wait(page, '2')
    random = np.random.RandomState(0)
    places = [(0, 0), (0, 27), (27, 0), (27, 27), (1, 13)] + random.randint(0, 28, (60, 2)).tolist()
    asked = [(row, column, kernel) for row, column in places for kernel in (0, 7, 31)]
    digit, conv1, answers = page.execute_script(
        'return [[...shown.digit], [...shown.conv1],'
        ' arguments[0].map(a => conv1Pixel(shown, ...a))]',
        asked,
    )
    digit, conv1 = np.reshape(digit, (28, 28)), np.reshape(conv1, (28, 28, 32))
    assert 5 < sum(answer['value'] != '0.000' for answer in answers) < len(answers)
    for (row, column, kernel), found in zip(asked, answers):
        products = decimals(found['products'])
        assert len(products) == 25
        assert sum(products) + Decimal(found['bias']) == Decimal(found['sum'])
        assert Decimal(found['value']) == max(Decimal(found['sum']), 0)
        assert abs(float(found['value']) - conv1[row, column, kernel]) <= 0.000501
        terms = zip(decimals(found['patch']), decimals(found['weights']), products)
        assert all(abs(level * w - product) < Decimal('0.003') for level, w, product in terms)
        for i, level in enumerate(found['patch']):
            y, x = row + i // 5 - 2, column + i % 5 - 2
            inside = 0 <= y < 28 and 0 <= x < 28
            assert (level is None) != inside
            assert not inside or level == '%.3f' % digit[y, x]
        assert '-0.000' not in str(found)


def test_pool1_pixels(page):
    draw_and_wait(page, '4')
    places = [(0, 0), (13, 13), (6, 9)]
    conv1, answers = page.execute_script(
        'return [[...shown.conv1], arguments[0].map(a => pool1Pixel(shown, ...a, 12))]', places
    )
    conv1 = np.reshape(conv1, (28, 28, 32))
    for (row, column), found in zip(places, answers):
        four = conv1[2 * row : 2 * row + 2, 2 * column : 2 * column + 2, 12]
        assert found['four'] == ['%.3f' % value for value in four.ravel()]
        assert found['value'] == max(found['four'])


def test_the_sum_of_a_pixel_is_shown(page):
    """By keys and pointer, and no request is made for it."""
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    draw_and_wait(page, '4')
    until(lambda: page.execute_script('return !wanted.task'), 'the whole 4 is sent')
    begin = page.execute_script('return performance.now()')
    conv1 = page.find_element('id', 'conv1')
    conv1.send_keys(Keys.ARROW_UP)
    assert text(page, 'total').startswith('row 15, column 15: 25 products + bias ')
    conv1.send_keys(*[Keys.ARROW_UP] * 2, '+', *[Keys.ARROW_LEFT] * 3)
    assert text(page, 'total').startswith('row 13, column 12: ')
    assert text(page, 'mapnumber') == 'map 2'
    cells = (
        "return [...document.querySelectorAll('#grids .grid')]"
        ".map(grid => [...grid.children].map(cell => cell.textContent))"
    )
    assert [len(grid) for grid in page.execute_script(cells)] == [25, 25, 25]
    products = [Decimal(n.replace('\u2212', '-')) for n in page.execute_script(cells)[2]]
    bias, total, value = re.findall(r'-?\d+\.\d+', text(page, 'total').replace('\u2212', '-'))
    assert sum(products) + Decimal(bias) == Decimal(total)
    assert Decimal(value) == max(Decimal(total), 0)
    page.find_element('id', 'pool1').send_keys(Keys.ARROW_RIGHT)
    assert text(page, 'total').startswith('row 7, column 7: the largest of four of conv1: ')
    four = page.execute_script(cells)[0]
    assert max(map(Decimal, four)) == Decimal(re.search(r'\d+\.\d+$', text(page, 'total')).group())
    near = page.find_element('id', 'near')
    ActionChains(page, duration=20).move_to_element_with_offset(near, -65, 65).perform()
    assert text(page, 'total').startswith('row 14, column 1: ')
    asked = page.execute_script(
        "return performance.getEntriesByType('resource')"
        ".filter(e => e.startTime > arguments[0] && !e.name.endsWith('/step')).map(e => e.name)",
        begin,
    )
    assert asked == []
    page.find_element('id', 'clear').click()
    assert text(page, 'total') == '' and page.find_element('id', 'hint').is_displayed()


def test_the_script_ends_and_is_back(page):
    draw_and_wait(page, '7')
    conditions = {'latency': 0, 'downloadThroughput': -1, 'uploadThroughput': -1}
    page.execute_cdp_cmd('Network.enable', {})
    page.execute_cdp_cmd('Network.emulateNetworkConditions', dict(conditions, offline=True))
    until(lambda: 'ended' in text(page, 'status'), 'the page says that the script has ended')
    page.execute_cdp_cmd('Network.emulateNetworkConditions', dict(conditions, offline=False))
    until(lambda: '300' in text(page, 'status'), 'the page finds it again')
    page.get_log('browser')  # where it says that the script could not be reached


def test_the_theme_changes_at_once(page):
    draw_and_wait(page, '7')
    corner = """
        const context = document.getElementById('conv2').getContext('2d');
        return [...context.getImageData(0, 0, 1, 1).data];
        """
    papers = []
    for theme in 'light', 'dark', 'light':
        features = [{'name': 'prefers-color-scheme', 'value': theme}]
        page.execute_cdp_cmd('Emulation.setEmulatedMedia', {'features': features})
        time.sleep(0.3)
        papers.append((page.execute_script(corner), text(page, 'read')))
    page.execute_cdp_cmd('Emulation.setEmulatedMedia', {'features': []})
    assert papers[0] == papers[2] and sum(papers[0][0][:3]) > sum(papers[1][0][:3])


@pytest.mark.parametrize('tag, title', [('zh-CN', '你自己的笔迹'), ('de', 'Your own handwriting')])
def test_languages_at_each_width(page, tag, title):
    """Nothing is wider than the window, whatever is pointed at."""
    agent = {'userAgent': page.execute_script('return navigator.userAgent')}
    page.execute_cdp_cmd('Emulation.setUserAgentOverride', dict(agent, acceptLanguage=tag))
    page.refresh()
    assert page.find_element('tag name', 'h1').text == title
    draw_and_wait(page, '2')
    for width in [*range(320, 1400, 36), 1400]:
        size = {'width': width, 'height': 900, 'deviceScaleFactor': 1, 'mobile': False}
        page.execute_cdp_cmd('Emulation.setDeviceMetricsOverride', size)
        for layer in 'conv1', 'pool1':
            point_at(page, layer, 7, 7, 9)
            assert page.execute_script(
                'const {scrollWidth, clientWidth} = document.documentElement;'
                'return scrollWidth <= clientWidth && clientWidth > arguments[0] - 20',
                width,
            ), width
    page.execute_cdp_cmd('Emulation.setUserAgentOverride', dict(agent, acceptLanguage='en'))


def test_the_languages_have_the_same_words(page):
    keys = 'const w = WORDS[arguments[0]]; return [...Object.keys(w), ...Object.keys(w.errors)]'
    english, chinese = (page.execute_script(keys, language) for language in ('en', 'zh'))
    assert english == chinese and len(english) > 20
    said = page.execute_script(
        "return [...document.querySelectorAll('[data-say]')].map(e => e.textContent)"
    )
    assert all(said)


def test_the_page_and_python_agree(page):
    assert page.execute_script('return [SIDE, MAX_BYTES]') == [live.SIDE, photo.MAX_BYTES]
    arrays = [['digit', 784]]
    for name, shape in layers.SHAPES.items():
        arrays.append([name, int(np.prod([size for size in shape if size]))])
    assert page.execute_script('return ARRAYS') == arrays
    features = [{'name': 'prefers-color-scheme', 'value': 'light'}]
    page.execute_cdp_cmd('Emulation.setEmulatedMedia', {'features': features})
    for name in 'PAPER', 'CELL', 'INK', 'BLUE', 'ORANGE':
        assert page.execute_script('return colour(arguments[0])', name.lower()) == getattr(
            layers, name
        )
