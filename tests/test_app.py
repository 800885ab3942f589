"""mnist_lenet5_app: from files, and its page in a real browser."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

from support import live, pictures

import numpy as np
import pytest
import sheets
from conftest import DATA, ROOT, write_checkpoint

import input_data

SCRIPT = os.path.join(ROOT, 'mnist_lenet5_app.py')
TEST = input_data.read_data_sets(DATA, one_hot=True).test
LABELS = TEST.labels[:40].argmax(axis=1)
QUIET = dict(os.environ, TF_CPP_MIN_LOG_LEVEL='3')
BROWSERS = 'chromium', 'chromium-browser', 'google-chrome'


def picture(i):
    """A PNG file of the i-th test digit on a sheet."""
    ink = sheets.drawn(TEST.images[i].reshape(28, 28), 240, 320, 120, np.random.RandomState(i))
    return pictures.png(sheets.levels_of(1 - 0.85 * ink))


def run(*flags, **environment):
    """Status, stdout and stderr (without TensorFlow's greeting) of the script."""
    process = subprocess.run(
        [sys.executable, SCRIPT, *map(str, flags)],
        capture_output=True,
        env=dict(QUIET, **environment),
        timeout=100,
    )
    err = [line for line in process.stderr.decode().splitlines() if line.startswith('error')]
    assert b'Traceback' not in process.stderr
    return process.returncode, process.stdout.decode().splitlines(), err


def test_files(trained, tmp_path):
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
    assert err == [
        'error: %s: is no picture; save it as JPEG, PNG, BMP or GIF' % names[2],
        'error: %s: cannot be read (No such file or directory); name a picture' % names[4],
    ]
    assert run(names[0], '--model_dir', trained)[0] == 0


def test_no_checkpoint(tmp_path):
    (tmp_path / '0.png').write_bytes(picture(0))
    found = run(tmp_path / '0.png', '--model_dir', tmp_path / 'model')
    assert found == (1, ['No checkpoint file found'], [])


@pytest.mark.posix
def test_a_name_that_stdout_cannot_encode(trained, tmp_path):
    for name in (b'\xe6\x95\xb0.png', b'\xff.png', b'a\nb.png'):
        with open(os.path.join(os.fsencode(str(tmp_path)), name), 'wb') as file:
            file.write(picture(0))
    names = [tmp_path / os.fsdecode(name) for name in (b'\xe6\x95\xb0.png', b'\xff.png')]
    names += [tmp_path / 'a\nb.png']
    process = subprocess.run(
        [sys.executable, SCRIPT, *map(str, names), '--model_dir', trained],
        capture_output=True,
        env=dict(QUIET, PYTHONIOENCODING='ascii', PYTHONUTF8='1'),
    )
    assert process.returncode == 0, process.stderr.decode()
    found = [os.path.basename(line) for line in process.stdout.decode('ascii').splitlines()]
    assert [line.split(':')[0] for line in found] == ['\\u6570.png', '\\udcff.png', 'a\\x0ab.png']


def test_layers(trained, tmp_path):
    (tmp_path / '0.png').write_bytes(picture(0))
    status, out, err = run(
        tmp_path / '0.png', '--layers', tmp_path / 'layers.png', '--model_dir', trained
    )
    assert (status, len(out), err) == (0, 1, [])
    assert (tmp_path / 'layers.png').read_bytes().startswith(b'\x89PNG')
    flags = tmp_path / '0.png', '--layers', tmp_path / 'no' / 'layers.png', '--model_dir', trained
    status, out, err = run(*flags)
    assert (status, len(out), len(err)) == (1, 1, 1) and 'layers.png: cannot be used' in err[0]


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
    from support import terminal

    monkeypatch.setattr(sys, 'argv', ['mnist_lenet5_app.py', *flags])
    with pytest.raises(SystemExit) as caught:
        terminal.parse_app('./model/', 8028)
    assert caught.value.code == 2
    assert capsys.readouterr().err.startswith('usage: ')


def free_port():
    with socket.socket() as one:
        one.bind(('127.0.0.1', 0))
        return one.getsockname()[1]


class Serving:
    """The script as it serves its page; ends with the `with`."""

    def __init__(self, model, port):
        command = [sys.executable, SCRIPT, '--no_browser', '--port', str(port)]
        self.process = subprocess.Popen(
            [*command, '--model_dir', str(model)], stderr=subprocess.PIPE, env=QUIET
        )
        self.lines = []
        for line in self.process.stderr:
            self.lines.append(line.decode())
            if line.startswith(b'http'):
                self.address = line.split()[0].decode()
                break

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.process.kill()
        self.process.stderr.close()
        self.process.wait()


@pytest.mark.posix
def test_ctrl_c(tmp_path):
    with Serving(tmp_path, free_port()) as serving:
        assert re.fullmatch(r'http://127\.0\.0\.1:\d+/ \(Ctrl-C ends\)\n', serving.lines[-1])
        serving.process.send_signal(signal.SIGINT)
        assert serving.process.wait(10) == 130
        assert serving.process.stderr.read() == b''


def test_port_in_use(tmp_path):
    with socket.socket() as one:
        one.bind(('127.0.0.1', 0))
        one.listen(1)
        port = one.getsockname()[1]
        status, out, err = run('--port', port, '--no_browser', '--model_dir', tmp_path)
    assert (status, out, len(err)) == (1, [], 1)
    assert err[0].startswith('error: port %d: cannot be used (' % port)


# ---- in a browser ----


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
    options.set_capability('goog:loggingPrefs', {'performance': 'ALL', 'browser': 'ALL'})
    service = webdriver.ChromeService(shutil.which('chromedriver'))
    driver = webdriver.Chrome(options=options, service=service)
    yield driver
    driver.quit()


@pytest.fixture
def page(driver, trained, tmp_path):
    """The driver, with the page of a copy of the trained network open: page.model."""
    model = tmp_path / 'model'
    shutil.copytree(trained, str(model))
    with Serving(model, free_port()) as serving:
        driver.model, driver.serving = model, serving
        driver.get(serving.address)
        yield driver
        driver.get('about:blank')
        assert not [entry for entry in driver.get_log('browser') if entry['level'] == 'SEVERE']


def until(condition, what, seconds=30):
    """Waits for a condition, a function; returns what it gives."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.05)
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


def clear(page):
    page.find_element('id', 'clear').click()
    assert read(page) == ''


def requests(page):
    """Method and parameters of what the browser's network has done since the last call."""
    events = [json.loads(entry['message'])['message'] for entry in page.get_log('performance')]
    return [(event['method'], event['params']) for event in events]


def test_drawn_digits_are_read(page):
    for digit, strokes in STROKES.items():
        draw(page, strokes)
        until(lambda digit=digit: read(page) == digit, 'the %s is read' % digit)
        clear(page)


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

    draw(page, STROKES['1'] + [[(0.2, 0.2), (0.2, 0.8)]])
    until(lambda: text(page, 'error'), 'two strokes are two figures')
    page.find_element('tag name', 'body').send_keys(Keys.CONTROL, 'z')
    until(lambda: read(page) == '1', 'the first stroke alone is read')
    assert text(page, 'error') == ''
    page.find_element('tag name', 'body').send_keys(Keys.ESCAPE)
    until(lambda: read(page) == '', 'all is cleared')
    assert not page.find_element('id', 'undo').is_enabled()


def test_a_newer_checkpoint_shows_without_a_reload(page):
    draw(page, STROKES['7'])
    until(lambda: read(page) == '7', 'the 7 is read')
    assert '1000' in text(page, 'status')
    bars = text(page, 'bars')
    import reference

    parameters = reference.initial_parameters()
    write_checkpoint(page.model, 2001, parameters, parameters)
    until(lambda: '2001' in text(page, 'status'), 'the newer step is shown')
    until(lambda: text(page, 'bars') != bars, 'the drawing is read anew')


def test_a_photo_is_read_as_from_a_file(page, tmp_path):
    """Chosen, dropped and pasted."""
    paths = {i: str(tmp_path / ('%d.png' % i)) for i in (1, 4)}
    for i, path in paths.items():
        with open(path, 'wb') as file:
            file.write(picture(i))
    _, lines, _ = run(*paths.values(), '--model_dir', page.model)
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


def test_nothing_from_elsewhere_and_one_request_at_a_time(page):
    page.get('about:blank')
    requests(page)
    page.get(page.serving.address)
    draw(page, STROKES['2'])
    until(lambda: read(page) == '2', 'the 2 is read')
    in_flight, sent = set(), []
    for method, event in requests(page):
        if method == 'Network.requestWillBeSent':
            sent.append(event['request']['url'])
            if event['request']['method'] == 'POST':
                assert not in_flight
                in_flight.add(event['requestId'])
        elif method in ('Network.loadingFinished', 'Network.loadingFailed'):
            in_flight.discard(event['requestId'])
    assert len(sent) > 3
    elsewhere = [url for url in sent if not url.startswith((page.serving.address, 'data:'))]
    assert elsewhere == []


def test_the_sum_of_a_pixel(page):
    """In the page as in layers: what is shown adds up."""
    from selenium.webdriver.common.keys import Keys

    draw(page, STROKES['4'])
    until(lambda: read(page) == '4', 'the 4 is read')
    conv1 = page.find_element('id', 'conv1')
    for keys in [Keys.ARROW_UP], [Keys.ARROW_UP] * 14, ['+'], [Keys.ARROW_LEFT] * 14:
        shown = text(page, 'total')
        conv1.send_keys(*keys)
        until(lambda shown=shown: text(page, 'total') != shown, 'another pixel is shown')
        time.sleep(0.5)
    cells = page.execute_script(
        "return [...document.querySelectorAll('#grids .grid')].map(g => [...g.children].map("
        "c => c.textContent))"
    )
    assert [len(grid) for grid in cells] == [25, 25, 25]
    from decimal import Decimal

    numbers = [[Decimal(cell.replace('\u2212', '-')) for cell in grid] for grid in cells]
    total = text(page, 'total').replace('\u2212', '-')
    bias, sum_, value = map(Decimal, re.findall(r'-?\d+\.\d+', total))
    assert sum(numbers[2]) + bias == sum_ and value == max(sum_, 0)
    shown = text(page, 'total')
    page.find_element('id', 'pool1').send_keys(Keys.ARROW_RIGHT)
    until(lambda: text(page, 'total') != shown, 'a pixel of pool1 is shown')
    four = page.execute_script(
        "return [...document.querySelectorAll('#grids .grid > div')].map(c => c.textContent)"
    )
    value = re.search(r'\d+\.\d+$', text(page, 'total')).group()
    assert len(four) == 4 and max(map(Decimal, four)) == Decimal(value)


def test_the_script_ends_and_is_back(page):
    draw(page, STROKES['7'])
    until(lambda: read(page) == '7', 'the 7 is read')
    page.serving.__exit__()
    until(lambda: 'ended' in text(page, 'status'), 'the page says that the script has ended')
    port = int(page.serving.address.split(':')[2].strip('/'))
    with Serving(page.model, port):
        until(lambda: '1000' in text(page, 'status'), 'the page finds it again')
        page.get('about:blank')
    page.get_log('browser')  # where it says that the script could not be reached


def test_no_checkpoint_yet(driver, trained, tmp_path):
    model = tmp_path / 'model'
    with Serving(model, free_port()) as serving:
        driver.get(serving.address)
        until(lambda: 'no checkpoint yet' in text(driver, 'status'), 'the page waits')
        draw(driver, STROKES['1'])
        shutil.copytree(trained, str(model))
        until(lambda: read(driver) == '1', 'the page goes on')
        driver.get('about:blank')


def test_the_theme_changes_at_once(page):
    draw(page, STROKES['7'])
    until(lambda: read(page) == '7', 'the 7 is read')
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
def test_language(page, tag, title):
    page.execute_cdp_cmd(
        'Emulation.setUserAgentOverride',
        {'userAgent': 'Chromium', 'acceptLanguage': tag},
    )
    page.get(page.serving.address)
    assert page.find_element('tag name', 'h1').text == title
    page.execute_cdp_cmd(
        'Emulation.setUserAgentOverride', {'userAgent': '', 'acceptLanguage': 'en'}
    )


def test_the_page_and_live_agree():
    with open(os.path.join(ROOT, 'support', 'app.html'), encoding='utf-8') as file:
        page = file.read()
    assert 'SIDE = %d,' % live.SIDE in page
    for colour in 'PAPER', 'CELL', 'RIGHT', 'INK', 'TRUE_INK', 'READ_INK':
        assert '#%02x%02x%02x' % getattr(pictures, colour) in page
