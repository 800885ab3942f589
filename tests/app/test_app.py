"""mnist_lenet5_app: from files, and its page in a real browser."""

import io
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
from helpers import DATA, ROOT, write_checkpoint
from PIL import ImageColor
from test_layers import FOUND, changed, normalized
from test_live import live_of

import input_data
import mnist_lenet5_app
import mnist_lenet5_backward
import mnist_lenet5_forward
from handwriting import live, photo, server

SCRIPT = os.path.join(ROOT, 'mnist_lenet5_app.py')
TEST = input_data.read_data_sets(DATA, one_hot=True).test
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
        monkeypatch.setattr(sys, 'argv', [SCRIPT, *map(str, flags)])
        return (mnist_lenet5_app.main(), *map(str.splitlines, capsys.readouterr()))

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
    expected = zip([0, 1, 3, 5], TEST.labels[:4].argmax(axis=1))
    assert [line[:2] for line in found] == [(str(names[i]), str(digit)) for i, digit in expected]
    assert all(10 <= float(percent) <= 100 for _, _, percent in found)
    assert [line.split(': ')[:2] for line in err] == [['error', str(names[i])] for i in (2, 4)]


def test_no_checkpoint(run, tmp_path, monkeypatch):
    """Also in a notebook, whose stdout cannot be configured."""
    monkeypatch.setattr(sys, 'stdout', io.StringIO())
    (tmp_path / '0.png').write_bytes(picture(0))
    assert run(tmp_path / '0.png', '--model_dir', tmp_path / 'model')[0] == 1
    assert sys.stdout.getvalue() == 'No checkpoint file found\n'


@pytest.mark.parametrize(
    'line',
    ['--layers x.png', '--layers x.png a.png b.png', '--layers x.jpg a.png', '--model_dir', '--no']
    + ['--port 0', '--port 65536', '--port x'],
)
def test_wrong_usage(line, run, capsys):
    with pytest.raises(SystemExit) as caught:
        run(*line.split())
    assert caught.value.code == 2
    assert capsys.readouterr().err.startswith('usage: ')
    with pytest.raises(SystemExit):
        run('--help')
    assert '(%d)' % mnist_lenet5_app.PORT in capsys.readouterr().out


@pytest.mark.parametrize('missing', ['PIL', 'scipy', 'skimage'])
def test_a_missing_library(missing, monkeypatch):
    """The script can be imported; when it runs it names the command that installs the library."""
    for name in list(sys.modules):
        if name.startswith(('handwriting', missing)):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)
    monkeypatch.setattr(sys, 'argv', [SCRIPT])
    main = runpy.run_path(SCRIPT)['main']
    with pytest.raises(Exception, match=missing + '.* -m pip install -r ') as caught:
        main()
    assert caught.value.exit_status == 1


@pytest.mark.posix
def test_a_name_that_stdout_cannot_encode(trained, tmp_path):
    paths = [tmp_path / os.fsdecode(name) for name in (b'\xe6\x95\xb0.png', b'\xff.png')]
    for path in paths:
        path.write_bytes(picture(0))
    command = [sys.executable, SCRIPT, *map(str, paths), '--model_dir', trained]
    env = dict(QUIET, PYTHONIOENCODING='ascii', PYTHONUTF8='1')
    lines = subprocess.check_output(command, env=env).decode('ascii').splitlines()
    found = [os.path.basename(line).split(':')[0] for line in lines]
    assert found == ['\\u6570.png', '\\udcff.png']


@pytest.mark.posix
def test_ctrl_c(tmp_path, handlers):
    """The address on stderr, and nothing more at the end."""
    with socket.socket() as one:
        one.bind(('127.0.0.1', 0))
        port = one.getsockname()[1]
    command = [sys.executable, SCRIPT, '--no_browser', '--port', str(port)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, env=QUIET, cwd=str(tmp_path))
    with process.stderr:
        line = next(line for line in process.stderr if line.startswith(b'http'))
        assert line == b'http://127.0.0.1:%d/ (Ctrl-C ends)\n' % port
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
        assert process.stderr.read() == b''


# ---- in a browser ----


@pytest.fixture(scope='module')
def driver():
    webdriver = pytest.importorskip('selenium.webdriver', reason='selenium is not installed')
    names = 'chromium', 'chromium-browser', 'google-chrome'
    browser = next(filter(None, map(shutil.which, names)), None)
    if not browser or not shutil.which('chromedriver'):
        pytest.skip('there is no Chromium with chromedriver')
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    is_root = hasattr(os, 'geteuid') and os.geteuid() == 0
    flags = ['--headless=new', '--window-size=1300,1000', '--disable-dev-shm-usage']
    for flag in flags + ['--no-sandbox'] * is_root:
        options.add_argument(flag)
    options.set_capability('goog:loggingPrefs', {'browser': 'ALL'})
    driver = webdriver.Chrome(options, webdriver.ChromeService(shutil.which('chromedriver')))
    yield driver
    driver.quit()


@pytest.fixture(scope='module')
def serving(trained):
    newest = live_of(trained)
    newest.update()
    found = server.Server(0, None)
    found.ours = newest.answers
    threading.Thread(target=found.serve_forever, daemon=True).start()
    yield found
    found.shutdown()
    found.server_close()


@pytest.fixture
def page(driver, serving):
    """The driver, with the page of the trained network open anew."""
    serving.answers = dict(serving.ours)
    driver.get(serving.address)
    yield driver
    driver.execute_cdp_cmd('Emulation.clearDeviceMetricsOverride', {})
    driver.get('about:blank')
    assert not [entry for entry in driver.get_log('browser') if entry['level'] == 'SEVERE']


def until(condition, what):
    """Waits for a condition, a function; returns what it gives."""
    from selenium.webdriver.support.ui import WebDriverWait

    return WebDriverWait(None, 30, 0.02).until(lambda _: condition(), what)


def text(page, name):
    return page.execute_script('return document.getElementById(arguments[0]).innerText', name)


def read(page):
    """The digit that the page shows as read, or ''."""
    return text(page, 'read').strip().split('\n')[0].strip()


STROKES = {
    '1': [[(0.5, 0.2), (0.5, 0.8)]],
    '2': [[(0.3, 0.3), (0.4, 0.2), (0.6, 0.2), (0.7, 0.4), (0.5, 0.6), (0.3, 0.8), (0.7, 0.8)]],
    '4': [[(0.35, 0.2), (0.3, 0.5), (0.7, 0.5)], [(0.65, 0.2), (0.62, 0.82)]],
    '7': [[(0.3, 0.22), (0.7, 0.22), (0.5, 0.5), (0.42, 0.82)]],
}


def draw(page, strokes, finger=False):
    """Draws by the mouse or with a finger."""
    pen = page.find_element('id', 'pen').rect
    first, next_, last = ['Start Move End', 'Pressed Moved Released'][not finger].split()
    for stroke in strokes:
        points = [
            {'x': pen['x'] + x * pen['width'], 'y': pen['y'] + y * pen['height']} for x, y in stroke
        ]
        kinds = [first, *[next_] * len(stroke), last]
        for kind, point in zip(kinds, [points[0], *points, points[-1]]):
            if finger:
                event = {'type': 'touch' + kind, 'touchPoints': [point] * (kind != last)}
            else:
                event = dict(point, type='mouse' + kind, button='left', buttons=1, clickCount=1)
            page.execute_cdp_cmd('Input.dispatch%sEvent' % ('Mouse', 'Touch')[finger], event)
            time.sleep(0.02)  # a hand is not faster


def draw_and_wait(page, digit):
    draw(page, STROKES[digit])
    until(lambda: read(page) == digit, 'the %s is read' % digit)


def take(page, i, how='take(file)'):
    """Has a photo of the i-th test digit read, and waits for the answer."""
    script = "const file = new File([new Uint8Array(arguments[0])], 'x.png'); "
    page.execute_script(script + how, list(picture(i)))
    point = 'if (shown) { bar = 0; paintPixel(); } return shown && weights.step === shown.step'
    until(lambda: page.execute_script(point), 'an answer, and the weights')


def test_drawn_digits_are_read(page):
    for digit in STROKES:
        draw_and_wait(page, digit)
        page.find_element('id', 'clear').click()
        assert read(page) == ''
    draw(page, STROKES['4'], finger=True)
    until(lambda: read(page) == '4', 'the 4 that a finger draws is read')


def test_undo_and_keyboard(page):
    """While one draws what has been read stays, dimmed; what is wrong is said a second later."""
    from selenium.webdriver.common.keys import Keys

    top = "return $('bars').getBoundingClientRect().top"
    draw_and_wait(page, '7')
    before = page.execute_script(top)
    hold = (
        'const real = setTimeout; setTimeout = (f, ms) => ms === 1000 ? held.push(f) : real(f, ms)'
    )
    page.execute_script('window.held = []; ' + hold)
    draw(page, [[(0.1, 0.2), (0.1, 0.8)]])
    doubtful = "return getComputedStyle($('layers').parentNode).opacity < 1"
    until(lambda: page.execute_script(doubtful), 'two strokes are two figures')
    assert (text(page, 'error'), read(page)) == ('', '7')
    page.execute_script('held.forEach(f => f())')
    until(lambda: 'several' in text(page, 'error'), 'and after a second this is said')
    assert page.execute_script(top) == before
    page.find_element('tag name', 'body').send_keys(Keys.CONTROL, 'z')
    until(lambda: not page.execute_script(doubtful), 'the first stroke alone is read')
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
    bars = text(page, 'bars')
    for step in 1, 101:
        parameters = reference.initial_parameters(step)
        write_checkpoint(tmp_path / 'model', step, parameters, parameters)
        newest.update()
        until(lambda step=step: 'step %d' % step in text(page, 'status'), 'the step is shown')
        until(lambda before=bars: text(page, 'bars') != before, 'the drawing is read anew')
        bars = text(page, 'bars')


def test_a_photo_is_read_as_from_a_file(page, run, trained, tmp_path):
    """Dropped, pasted and chosen."""
    give = 'const given = new DataTransfer(); given.items.add(file); dispatchEvent(new %s: given}))'
    drop, paste = "DragEvent('drop', {dataTransfer", "ClipboardEvent('paste', {clipboardData"
    choose = page.find_element('id', 'file').send_keys
    for i, how in (4, drop), (1, paste), (2, ''):
        path = tmp_path / ('%d.png' % i)
        path.write_bytes(picture(i))
        (line,) = run(path, '--model_dir', trained)[1]
        take(page, i, give % how) if how else choose(str(path))
        found = re.search(r': (\d) \((.+)\)$', line).groups()
        until(lambda found=found: tuple(text(page, 'read').split()) == found, 'as from a file')
    choose(__file__)
    until(lambda: 'JPEG' in text(page, 'error'), 'what is no picture is said')
    assert read(page) == ''


def test_a_file_that_is_too_large(page):
    """It is not sent: a server that refuses it is not heard before it is sent."""
    for size, line in (photo.MAX_BYTES + 1, '64 MB'), (photo.MAX_BYTES, 'no picture'):
        page.execute_script("take(new File([new Uint8Array(arguments[0])], 'x.png'))", size)
        until(lambda line=line: line in text(page, 'error'), line)


def test_an_error_of_ours(page, serving):
    def fail(body):
        raise IndexError('of <ours>')

    serving.answers['/drawing'] = 100000, fail
    draw(page, STROKES['7'])
    until(lambda: 'IndexError' in text(page, 'error'), 'the page shows the line')
    assert 'step 300' in text(page, 'status')
    serving.answers = serving.ours
    page.get_log('browser')  # which has the status 500
    page.find_element('id', 'clear').click()
    assert text(page, 'error') == ''
    draw_and_wait(page, '7')


def test_nothing_from_elsewhere_and_one_request_at_a_time(page, serving):
    most, drawing = serving.answers['/drawing']
    waiting, seen = [], []

    def slow(body):
        waiting.append(body)
        time.sleep(0.03)
        seen.append(len(waiting))
        waiting.pop()
        return drawing(body)

    serving.answers['/drawing'] = most, slow
    draw_and_wait(page, '2')
    assert len(seen) > 2 and set(seen) == {1}
    entries = page.execute_script("return performance.getEntriesByType('resource')")
    loaded = {entry['name'].replace(serving.address, '/') for entry in entries}
    assert loaded == {'/style.css', '/words.js', '/page.js', '/step', '/drawing'}


SUMS = """return arguments[0].map(asked => {
  if (asked.length) point(...asked); else { bar = asked; paintPixel(); }
  const tables = [[$('total')], ...$('grids').querySelectorAll('figure > div')];
  return tables.map(table => [...(table.children || table)].map(cell => cell.textContent));
});"""


def sums(page, asked):
    """The tables' numbers and the line's, for each [layer, map, row, column] or class asked."""
    for (line,), *tables in page.execute_script(SUMS, asked):
        assert not re.search(r'\u22120\.000|NaN', line)
        numbers = [re.findall(r'[-\u2212]?\d+\.\d+', line), *tables]
        line, *tables = [[Decimal(n.replace('\u2212', '-')) for n in part] for part in numbers]
        yield tables, line


def near(numbers, expected):
    """Whether these are the numbers, but for the last of three digits."""
    return np.abs(np.array(numbers, float) - expected).max() < 0.00101


def test_sums(page):
    """As they are shown, terms and bias add up to what the network gave, for five digits."""
    for i in range(5):
        take(page, i)
        named = (
            'Object.entries(answer.shapes).map(([name, shape]) => [name, shape, [...answer[name]]])'
        )
        arrays = page.execute_script('return [shown, weights].flatMap(answer => %s)' % named)
        values = {name: np.reshape(array, shape) for name, shape, array in arrays}
        random = np.random.RandomState(i)
        for name, below in zip(FOUND, ['input', *FOUND[:3]]):
            side, _, maps = values[name].shape
            places = [[0, 0], [0, side - 1], *random.randint(0, side, (20, 2)).tolist()]
            asked = [[name, random.randint(maps), *place] for place in places]
            under = values[below].reshape(*values[below].shape[:2], -1)
            padded = np.pad(under, [(2, 2), (2, 2), (0, 0)], 'constant')
            for (_, k, row, column), (tables, line) in zip(asked, sums(page, asked)):
                assert near(line[-1], values[name][row, column, k])
                if 'pool' in name:
                    four = under[2 * row : 2 * row + 2, 2 * column : 2 * column + 2, k]
                    assert near(tables[0], four.ravel())
                    assert line.pop(0) == max(tables[0]) and len(tables) == (2 - ('1' in name))
                else:
                    patch = padded[row : row + 5, column : column + 5]
                    terms = patch * values[name + '_w'][..., k]
                    terms = terms.ravel() if name == 'conv1' else terms.sum(axis=(0, 1))
                    assert near(tables[-1], terms) and near(line[0], values[name + '_b'][k])
                    assert name == 'conv2' or near(tables[0], patch.ravel())
                if name != 'pool1':
                    bias, total, value = line
                    assert sum(tables[-1]) + bias == total and max(total, 0) == value
        for k, (tables, line) in enumerate(sums(page, list(range(10)))):
            terms = np.sort(values['fc1'] * values['logits_w'][:, k])
            assert near(tables[0], terms[:-11:-1]) and near(tables[1], terms[:10])
            assert near(line[2], terms[10:-10].sum()) and near(line[4], values['logits'][k])
            assert [sum(tables[0]), sum(tables[1])] == line[:2] and sum(line[:4]) == line[4]
        assert len(page.find_elements('css selector', '#layers i')) == 21  # the twenty in fc1


def test_the_sum_of_a_pixel_is_shown(page):
    """By keys and pointer, and no request is made for it."""
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    take(page, 4)
    begin = page.execute_script('return performance.now()')
    conv1 = page.find_element('id', 'conv1')
    conv1.send_keys(Keys.ARROW_UP)
    assert text(page, 'total').startswith('row 15, column 15: 25 products + bias ')
    conv1.send_keys(*[Keys.ARROW_UP] * 2, '+', *[Keys.ARROW_LEFT] * 3)
    assert text(page, 'total').startswith('row 13, column 12: ')
    assert text(page, 'mapnumber') == 'map 2'
    page.find_element('id', 'pool2').send_keys(Keys.ARROW_RIGHT)
    assert text(page, 'total').startswith('row 4, column 4: the largest of four of conv2: ')
    near = page.find_element('id', 'near')
    ActionChains(page, duration=20).move_to_element_with_offset(near, -65, 65).perform()
    assert text(page, 'total').startswith('row 7, column 1: ')
    for bar in page.find_elements('css selector', '#bars button')[2:4]:
        ActionChains(page, duration=20).move_to_element(bar).perform()
        assert text(page, 'total').startswith(bar.text[0] + ': 10 largest ')
        assert bar.accessible_name.split(': ')[0] == bar.text[0]
    sizes = "return [...$('sight').querySelectorAll('*')].map(e => getComputedStyle(e).fontSize)"
    assert min(float(size[:-2]) for size in page.execute_script(sizes)) >= 11
    assert not page.find_elements('css selector', 'canvas:not([aria-label])')
    asked = (
        "return performance.getEntriesByType('resource').filter(e => e.startTime > arguments[0])"
    )
    assert {entry['name'].split('/')[-1] for entry in page.execute_script(asked, begin)} <= {'step'}
    page.find_element('id', 'clear').click()
    assert text(page, 'total') == '' and page.find_element('id', 'hint').is_displayed()


def test_a_changed_network(page, serving, run, monkeypatch, tmp_path):
    """It is read and drawn, as far as its layers are found, on the page and from a file."""

    def forward(x, train, regularizer):
        return changed(x, norm=normalized, classes=5)

    monkeypatch.setattr(mnist_lenet5_forward, 'forward', forward)
    newest = live_of(tmp_path / 'model', save=True)
    newest.update()
    serving.answers = newest.answers
    take(page, 0)
    assert page.execute_script('return Object.keys(layers)') == FOUND
    assert len(page.find_elements('css selector', '#bars button')) == 5
    (tables, line), pooled = sums(page, [['conv1', 5, 9, 9], ['pool1', 5, 9, 9]])
    assert tables == [] and len(line) == 1 and len(pooled[0][0]) == 4
    (tmp_path / '0.png').write_bytes(picture(0))
    flags = '--model_dir', tmp_path / 'model', '--layers', tmp_path / 'layers.png'
    status, (line,), err = run(tmp_path / '0.png', *flags)
    assert (status, err) == (0, []) and (tmp_path / 'layers.png').exists()
    with pytest.raises(OSError, match='no.layers.png'):  # which `command_line` says in a line
        run(tmp_path / '0.png', *flags[:3], tmp_path / 'no' / 'layers.png')
    assert line.endswith(': %s (%s)' % tuple(text(page, 'read').split()))


def test_the_script_ends_and_is_back(page):
    draw_and_wait(page, '7')
    conditions = {'latency': 0, 'downloadThroughput': -1, 'uploadThroughput': -1}
    page.execute_cdp_cmd('Network.enable', {})
    page.execute_cdp_cmd('Network.emulateNetworkConditions', dict(conditions, offline=True))
    until(lambda: 'ended' in text(page, 'status'), 'the page says that the script has ended')
    opacity = "return [$('answer'), $('sight')].map(e => getComputedStyle(e).opacity < 1)"
    assert page.execute_script(opacity) == [True, True]  # it may be the answer to an older drawing
    page.execute_cdp_cmd('Network.emulateNetworkConditions', dict(conditions, offline=False))
    until(lambda: '300' in text(page, 'status'), 'the page finds it again')
    assert page.execute_script(opacity) == [False, False]
    page.get_log('browser')  # where it says that the script could not be reached


@pytest.mark.parametrize('tag, chosen', [('zh-CN', 0), ('de', 1)])
def test_languages_at_each_width(page, tag, chosen):
    """Nothing is wider than the window, whatever is pointed at; a language that is chosen stays."""
    titles = ['你自己的笔迹', 'Your own handwriting']
    agent = {'userAgent': page.execute_script('return navigator.userAgent')}
    page.execute_cdp_cmd('Emulation.setUserAgentOverride', dict(agent, acceptLanguage=tag))
    page.refresh()
    assert page.find_element('tag name', 'h1').text == titles[chosen]
    take(page, 2)
    corner = "return $('conv2').getContext('2d').getImageData(0, 0, 1, 1).data[0]"
    for i, width in enumerate([320, 375, 485, 768, 1024, 1400]):
        media = {'name': 'prefers-color-scheme', 'value': ['light', 'dark'][i % 2]}
        page.execute_cdp_cmd('Emulation.setEmulatedMedia', {'features': [media]})
        until(lambda i=i: (page.execute_script(corner) < 128) == i % 2, 'the theme changes')
        size = {'width': width, 'height': 900, 'deviceScaleFactor': 1, 'mobile': False}
        page.execute_cdp_cmd('Emulation.setDeviceMetricsOverride', size)
        for asked in ['conv1', 9, 7, 7], ['pool1', 9, 7, 7], ['pool2', 9, 3, 3], 3:
            page.execute_script(SUMS, [asked])
            widths = "return ['scroll', 'client'].map(n => document.documentElement[n + 'Width'])"
            content, window = page.execute_script(widths)
            assert content == window > width - 20  # of which a scroll bar may take some
        tops = "return [...arguments].map(name => $(name).getBoundingClientRect().top)"
        input_, near, field, answer = page.execute_script(tops, 'input', 'near', 'field', 'answer')
        assert input_ == near and (answer - field < 300) == (width == 768)
        assert page.execute_script('return layers.conv1.columns') == (16 if width >= 768 else 8)
    page.find_element('id', 'language').click()
    page.refresh()
    assert page.find_element('tag name', 'h1').text == titles[1 - chosen]
    page.execute_script('localStorage.clear()')
    page.execute_cdp_cmd('Emulation.setUserAgentOverride', dict(agent, acceptLanguage='en'))


def test_every_text_can_be_read():
    """With a contrast of 4.5, in both themes, also a number on the strongest tint."""
    with open(os.path.join(server.FOLDER, 'style.css'), encoding='utf-8') as file:
        style = file.read()
    light, dark = re.findall(r':root \{(.*?)\}', style, re.DOTALL)
    tints = re.findall(r'--hue: var\(--(\w+)\); --tint: (\d+)%', style)
    assert len(tints) == 3
    for name in 'paper', 'cell', 'ink', 'blue', 'orange':
        assert '--%s: #%02x%02x%02x;' % (name, *getattr(pictures, name.upper())) in light
    for theme in light, dark:
        found = re.findall(r'--(\w+): (#\w{6})', theme)
        colours = {name: np.array(ImageColor.getrgb(value)) / 255 for name, value in found}
        pairs = [(colours[name], colours['paper']) for name in ('ink', 'soft', 'orange', 'blue')]
        pairs.append((colours['soft'], colours['sheet']))
        for hue, most in tints:
            tinted = colours['cell'] + int(most) / 100 * (colours[hue] - colours['cell'])
            pairs += [(colours['ink'], tinted), (colours['ink'], colours['cell'])]
        parts = np.array(pairs)  # WCAG's contrast
        linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
        luminances = np.sort(linear.dot([0.2126, 0.7152, 0.0722])) + 0.05
        assert (luminances[:, 1] / luminances[:, 0]).min() >= 4.5


def test_the_languages_and_python_agree(page):
    keys = 'const w = WORDS[arguments[0]]; return [...Object.keys(w), ...Object.keys(w.errors)]'
    english, chinese = (page.execute_script(keys, language) for language in ('en', 'zh'))
    assert english == chinese and len(english) > 20
    assert page.execute_script('return [SIDE, MAX_BYTES]') == [live.SIDE, photo.MAX_BYTES]
    said = page.find_elements('css selector', '[data-say]:empty')
    assert [element.get_attribute('data-say') for element in said] == []
