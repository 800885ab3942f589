"""mnist_lenet5_app: from files, and its page in a real browser."""

import io
import os
import re
import runpy
import shlex
import signal
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

from support import pictures

import numpy as np
import pytest
import sheets
from helpers import ROOT, send
from PIL import ImageColor
from skimage.color import rgb2xyz
from test_digit import LABELS, drawn
from test_layers import FOUND, changed, normalized
from test_live import ask, live_of, save

import mnist_lenet5_app
import mnist_lenet5_backward
from handwriting import layers, photo, server

try:
    import browser
    from selenium.webdriver import ActionChains, Keys
    from selenium.webdriver.common.actions.pointer_input import PointerInput
    from selenium.webdriver.support.ui import WebDriverWait
except ImportError:  # without it the page is not tested
    browser = None

SCRIPT = os.path.join(ROOT, 'mnist_lenet5_app.py')


def picture(i):
    """A PNG file of the i-th test digit on a sheet."""
    return pictures.png(drawn(i))


@pytest.fixture
def run(monkeypatch, capsys):
    """run(*flags): what main() returns, and the lines on stdout and stderr."""
    monkeypatch.setattr(mnist_lenet5_backward, 'MODEL_SAVE_PATH', './model/')

    def run(*flags):
        monkeypatch.setattr(sys, 'argv', [SCRIPT, *map(str, flags)])
        return (mnist_lenet5_app.main(), *map(str.splitlines, capsys.readouterr()))

    return run


def test_files(run, trained, tmp_path, monkeypatch):
    """Each picture has a line, in order, also if it cannot be read or its name not be printed."""
    sys.stdout.reconfigure(encoding='ascii')
    names = ['0.png', '\u6570.png', 'x.png', '2.png', 'y.png', '3.png']
    paths = [tmp_path / name for name in names]
    for i, path in zip([0, 1, None, 2, None, 3], paths):
        path.write_bytes(b'no' if i is None else picture(i))
    paths[4].unlink()
    status, out, err = run(*paths, '--model_dir', trained)
    assert status == 1
    found = [re.fullmatch(r'(.+): (\d) \((\d+\.\d)%\)', line).groups() for line in out]
    expected = zip([0, 1, 3, 5], LABELS)
    escaped = [str(path).encode('ascii', 'backslashreplace').decode() for path in paths]
    assert [line[:2] for line in found] == [(escaped[i], str(digit)) for i, digit in expected]
    assert all(10 <= float(percent) <= 100 for _, _, percent in found)
    assert [line.split(': ')[:2] for line in err] == [['error', str(paths[i])] for i in (2, 4)]
    monkeypatch.setattr(sys, 'stdout', io.StringIO())  # as in a notebook, it cannot be configured
    status, _, err = run(paths[0], '--model_dir', tmp_path / 'modle')
    assert status == 1 and err == ['looking for checkpoints in %s' % (tmp_path / 'modle')]
    assert sys.stdout.getvalue() == 'No checkpoint file found\n'


@pytest.mark.parametrize(
    'line',
    ['--layers x.png', '--layers ./a.png a.png', '--layers x.jpg a.png', '--model_dir', '--no']
    + ['--port 0', '--port 65536', '--port x', '--help', '""', 'a.png ""', '--layers x.png *.png'],
)
def test_usage(line, monkeypatch, capsys):
    monkeypatch.chdir(os.path.join(ROOT, 'docs'))  # which has several pictures
    monkeypatch.setattr(sys, 'argv', [SCRIPT, *shlex.split(line)])
    with pytest.raises(SystemExit) as caught:
        mnist_lenet5_app.parse_args()
    out, err = capsys.readouterr()
    if line == '--help':
        assert caught.value.code == 0 and '(%d)' % mnist_lenet5_app.PORT in out
    else:
        assert caught.value.code == 2 and err.startswith('usage: ')


@pytest.mark.parametrize(
    'names, found',
    [
        ('p/*.png', 'p/1.png p/2.png p/[1].png p/s.png'),
        ('p/[12].*', 'p/1.png p/2.png'),
        ('p/[1].png', 'p/[1].png'),
        ('p/*.gif x.png p/2.png', 'p/*.gif x.png p/2.png'),
        ('p', 'p/1.png p/2.png p/3.JPG p/[1].png'),
        ('p/q p/s.png p/q*1*', 'p/q p/s.png p/q[1]/4.png'),
    ],
)
def test_patterns_and_folders(names, found, monkeypatch, tmp_path):
    """Windows' cmd expands no pattern. A folder is its picture files. A name without any stays."""
    monkeypatch.chdir(str(tmp_path))
    for path in '1.png 2.png [1].png 3.JPG notes.txt q/notes s.png/5 q[1]/4.png'.split():
        (tmp_path / 'p' / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / 'p' / path).touch()
    monkeypatch.setattr(sys, 'argv', [SCRIPT, *names.split()])
    paths = mnist_lenet5_app.parse_args().pictures
    assert [path.replace(os.sep, '/') for path in paths] == found.split()


@pytest.mark.posix
def test_interrupt_in_a_notebook(handlers):
    """The port is free again, although the notebook keeps the traceback."""
    with server.Server(0, None) as free:
        port = int(free.address.split(':')[-1].strip('/'))
    newest = SimpleNamespace(answers={}, watch=send(signal.SIGINT))
    args = KeyboardInterrupt, mnist_lenet5_app.serve, newest, port, False
    assert len([pytest.raises(*args) for _ in range(2)]) == 2


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
def test_ctrl_c(tmp_path, handlers):
    """The app prints its address, and nothing more at the end."""
    with server.Server(0, None) as free:
        address = free.address
    flags = ['--no_browser', '--port', address.split(':')[-1].strip('/')]
    options = {'env': dict(os.environ, TF_CPP_MIN_LOG_LEVEL='3'), 'cwd': str(tmp_path)}
    command, pipe = [sys.executable, SCRIPT, *flags], subprocess.PIPE
    with subprocess.Popen(command, stderr=pipe, **options) as process:
        line = next(line for line in process.stderr if line.startswith(b'http'))
        assert line.decode() == address + ' (Ctrl-C ends)\n'
        process.send_signal(signal.SIGINT)
        assert process.stderr.read() == b'' and process.wait(60) == 130


# ---- in a browser ----


@pytest.fixture(scope='module')
def driver():
    driver = browser and browser.chromium()
    if not driver:
        pytest.skip('needs selenium, and Chromium with chromedriver')
    with driver:
        yield driver


ENTRIES = "return performance.getEntriesByType('resource')"  # by their beginnings


@pytest.fixture(scope='module')
def serving(trained):
    with server.Server(0, None) as found:
        found.newest = live_of(trained)
        threading.Thread(target=found.serve_forever, daemon=True).start()
        yield found
        found.shutdown()


@pytest.fixture
def page(driver, serving):
    """The driver, with the page of the trained network open anew. It asks one thing at a time."""
    serving.answers = dict(serving.newest.answers)
    driver.get(serving.address)
    yield driver
    fetched = [e for e in driver.execute_script(ENTRIES) if e['initiatorType'] == 'fetch']
    times = [time for entry in fetched for time in (entry['startTime'], entry['responseEnd'])]
    assert times == sorted(times)
    driver.execute_cdp_cmd('Emulation.clearDeviceMetricsOverride', {})
    driver.get('about:blank')
    assert not [entry for entry in driver.get_log('browser') if entry['level'] == 'SEVERE']


def until(condition, what):
    """Waits for a condition, a function."""
    WebDriverWait(None, 30, 0.02).until(lambda _: condition(), what)


def text(page, name):
    return page.execute_script('return document.getElementById(arguments[0]).innerText', name)


def wait_for(page, name, part):
    """Waits until the text of an element has a part."""
    until(lambda: part in text(page, name), '%s: %s' % (name, part))


def read(page):
    """The digit that the page shows as read, or ''."""
    return text(page, 'read').strip().split('\n')[0].strip()


def paths(page):
    """What the page has asked for."""
    return [entry['name'].replace(page.current_url, '/') for entry in page.execute_script(ENTRIES)]


WAYS = dict(sheets.STROKES)  # one for each digit


def draw(page, way, kind='mouse'):
    """Draws by the mouse or, for 'touch', with a finger."""
    pen = page.find_element('id', 'pen')
    hand = ActionChains(page, duration=20, devices=[PointerInput(kind, kind)])
    for stroke in way.split('/'):
        points = (3 * np.array(stroke.split(), int) - 150).reshape(-1, 2).tolist()
        hand.move_to_element_with_offset(pen, *points[0]).click_and_hold()
        for point in points[1:]:
            hand.move_to_element_with_offset(pen, *point)
        hand.release()
    hand.perform()


def draw_and_wait(page, digit, kind='mouse'):
    draw(page, WAYS[digit], kind)
    until(lambda: read(page) == str(digit), 'the %d is read' % digit)


def take(page, i, how='field.take(file)'):
    """Has a photo of the i-th test digit read, and waits for the answer."""
    script = "const file = new File([new Uint8Array(arguments[0])], 'x.png'); "
    browser.run(page, script + how, list(picture(i)))
    point = 'shown.pointAtBar(0); return shown.isPointed() && !shown.needsWeights()'
    until(lambda: browser.run(page, point), 'an answer, and the weights')


def test_drawn_digits_are_read(page, serving):
    """The page reads while one draws, by one request at a time, and by nothing from elsewhere."""
    most, drawing = serving.answers['/drawing']
    serving.answers['/drawing'] = most, lambda body: time.sleep(0.03) or drawing(body)
    for digit, kind in (1, 'mouse'), (2, 'mouse'), (7, 'mouse'), (4, 'touch'):
        draw_and_wait(page, digit, kind)
        page.find_element('id', 'clear').click()
        assert read(page) == ''
    assert paths(page).count('/drawing') > 12
    answers = '/settings.js', '/step', '/drawing'
    assert {*paths(page)} == {*server.FILES, *answers} - {'/'}
    serving.answers['/drawing'] = most, lambda body: [][0]
    draw(page, WAYS[7])
    wait_for(page, 'error', 'IndexError')
    assert 'step 300' in text(page, 'status')
    page.get_log('browser')  # which has the status 500
    page.find_element('id', 'clear').click()
    assert text(page, 'error') == ''


def test_undo_and_keyboard(page):
    """The last answer stays, dimmed, while one draws; an error is shown a second later."""
    body = page.find_element('tag name', 'body')
    top = "return $('bars').getBoundingClientRect().top"
    doubtful = "return getComputedStyle($('sight')).opacity < 1"
    draw_and_wait(page, 7)
    before = browser.run(page, top)
    page.execute_script(
        'window.held = []; const real = setTimeout;'
        'setTimeout = (f, ms) => ms === 1000 ? held.push(f) : real(f, ms)'
    )
    draw(page, '3 10 3 90')
    until(lambda: browser.run(page, doubtful), 'two strokes are two figures')
    assert (text(page, 'error'), read(page)) == ('', '7')
    page.execute_script('held.forEach(f => f())')
    wait_for(page, 'error', 'several')
    assert browser.run(page, top) == before
    body.send_keys(Keys.CONTROL, 'z')
    until(lambda: not browser.run(page, doubtful), 'the first stroke alone is read')
    assert text(page, 'error') == ''
    body.send_keys(Keys.ESCAPE)
    until(lambda: read(page) == '', 'all is cleared')
    assert not page.find_element('id', 'undo').is_enabled()


@pytest.mark.parametrize('keys', ['\ue00c', '\ue009z'], ids=['Esc', 'Ctrl-Z'])  # WebDriver's codes
def test_a_stroke_goes_on_after_its_beginning_is_removed(page, keys):
    pen = page.find_element('id', 'pen')
    hand = ActionChains(page, duration=0).move_to_element_with_offset(pen, -84, -90)
    hand.click_and_hold().move_by_offset(0, 160).move_by_offset(0, -160).perform()
    page.find_element('tag name', 'body').send_keys(keys)
    draw_and_wait(page, 7)


def test_pointing_before_the_first_answer(page, serving):
    """Gives the sum of that pixel as soon as there is one."""
    (most, step), is_open = serving.answers['/step'], threading.Event()
    serving.answers['/step'] = most, lambda body: is_open.wait(30) and step(body)
    page.refresh()
    page.find_element('id', 'near').send_keys('+')  # any key comes to the middle
    is_open.set()
    draw_and_wait(page, 7)
    wait_for(page, 'total', 'row 15, column 15: 25 products')


def test_what_comes_and_goes_shows_without_a_reload(page, serving, tmp_path):
    """The page shows a first and a newer checkpoint, and whether the script still runs."""
    newest = live_of(tmp_path / 'model')
    serving.answers = newest.answers
    wait_for(page, 'status', 'no checkpoint yet')
    draw(page, WAYS[7])
    for step in 1, 101:
        before = text(page, 'bars')
        save(newest, step)
        wait_for(page, 'status', 'step %d' % step)
        until(lambda before=before: text(page, 'bars') != before, 'the drawing is read anew')
    dimmed = "return [$('answer'), $('sight')].map(e => getComputedStyle(e).opacity < 1)"
    point = 'shown.pointAtBar(0); window.old = shown.weights; return !shown.needsWeights()'
    until(lambda: browser.run(page, point), 'the weights')
    for is_lost in lose(page):
        assert browser.run(page, dimmed) == [is_lost] * 2  # it may answer an older drawing
    until(lambda: browser.run(page, 'return !shown.needsWeights() && shown.weights !== old'), 'new')
    assert 'step 101' in text(page, 'status')


def lose(page):
    """Has the page lose its connection for a moment. Yields when it is lost and when it is back."""
    page.execute_cdp_cmd('Network.enable', {})
    conditions = {'latency': 0, 'downloadThroughput': -1, 'uploadThroughput': -1}
    for offline, part in (True, 'ended'), (False, 'step'):
        page.execute_cdp_cmd('Network.emulateNetworkConditions', dict(conditions, offline=offline))
        wait_for(page, 'status', part)
        yield offline
    page.get_log('browser')  # where it says that the script could not be reached


def test_a_photo_that_changes_on_disk(page, tmp_path):
    """The page keeps what it has read of it; if that was nothing, it says so."""
    path = tmp_path / 'x.png'
    path.write_bytes(picture(4))
    page.find_element('id', 'file').send_keys(str(path))
    until(lambda: read(page), 'an answer')
    os.utime(str(path), (1e9, 1e9))  # a browser sees changes of the time, in seconds
    assert list(lose(page)) == [True, False]
    until(lambda: paths(page).count('/picture') > 1, 'it is read again')
    browser.run(page, "$('file').onchange = null")
    page.find_element('id', 'file').send_keys(str(path))
    path.unlink()
    browser.run(page, "field.take($('file').files[0])")
    wait_for(page, 'error', 'cannot be read')
    page.get_log('browser')  # where it says that the photo could not be shown


def test_photos(page, run, trained, tmp_path):
    """A dropped, pasted or chosen photo is read as from a file; a bad or large one is refused."""
    give = 'const given = new DataTransfer(); given.items.add(file); dispatchEvent(new %s: given}))'
    drop, paste = "DragEvent('drop', {dataTransfer", "ClipboardEvent('paste', {clipboardData"
    for i, how in (4, drop), (1, paste), (2, ''):
        path = tmp_path / ('%d.png' % i)
        path.write_bytes(picture(i))
        (line,) = run(path, '--model_dir', trained)[1]
        if how:
            take(page, i, give % how)
        else:
            page.find_element('id', 'file').send_keys(str(path))
        wait_for(page, 'read', '\n'.join(re.search(r': (\d) \((.+)\)$', line).groups()))
    for size, part in (photo.MAX_BYTES + 1, '64 MB'), (photo.MAX_BYTES, 'no picture'):
        browser.run(page, "field.take(new File([new Uint8Array(arguments[0])], 'x.png'))", size)
        wait_for(page, 'error', part)
        assert read(page) == ''
    assert paths(page).count('/picture') == 4  # once for each


SUMS = """return arguments[0].map(asked => {
  if (asked.length) shown.point(...asked); else shown.pointAtBar(asked);
  const tables = [[$('total')], ...$('grids').querySelectorAll('figure > div')];
  return tables.map(table => [...(table.children || table)].map(cell => cell.textContent));
});"""


def sums(page, asked):
    """The numbers, in thousandths, of the tables and of the line for each place or class asked."""
    for (line,), *tables in browser.run(page, SUMS, asked):
        assert not re.search(r'\u22120\.000|NaN', line)
        parts = [*tables, re.findall(r'[-\u2212]?\d+\.\d+', line)]
        numbers = [[int(n.replace('.', '').replace('\u2212', '-')) for n in part] for part in parts]
        yield numbers[:-1], numbers[-1]


def near(numbers, expected):
    """Whether these are the numbers, but for the last of three digits."""
    return np.abs(np.array(numbers) - 1000 * expected).max() < 1.01


def test_sums(page, serving):
    """The shown terms and the bias add up to what the network gave, for five digits."""
    for i in range(5):
        take(page, i)
        values = ask(serving.newest, '/picture', picture(i))[1]
        values.update(ask(serving.newest, '/weights')[1])
        random = np.random.RandomState(i)
        for name, below in zip(FOUND, ['input', *FOUND[:3]]):
            side, _, maps = values[name].shape
            places = [[0, 0], [0, side - 1], *random.randint(0, side, (20, 2)).tolist()]
            asked = [[name, random.randint(maps), *place] for place in places]
            under = np.atleast_3d(values[below])
            padded = np.pad(under, [(2, 2), (2, 2), (0, 0)], 'constant')
            for (_, k, row, column), (tables, line) in zip(asked, sums(page, asked)):
                assert near(line[-1], values[name][row, column, k])
                assert len(tables) == (3 if name == 'conv1' else 2 if name == 'pool2' else 1)
                if 'pool' in name:
                    four = under[2 * row : 2 * row + 2, 2 * column : 2 * column + 2, k]
                    assert near(tables[0], four.ravel()) and line.pop(0) == max(tables[0])
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
    # by keys and pointer, and no request is made for it
    browser.run(page, "shown.point('conv1', 0, 14, 14); performance.clearResourceTimings()")
    page.find_element('id', 'conv1').send_keys(2 * Keys.ARROW_UP, '+', 3 * Keys.ARROW_LEFT)
    assert text(page, 'total').startswith('row 13, column 12: 25 products + bias ')
    assert text(page, 'mapnumber') == 'map 2'
    page.find_element('id', 'pool2').send_keys(Keys.ARROW_RIGHT)
    assert text(page, 'total').startswith('row 4, column 4: the largest of four of conv2: ')
    enlarged = page.find_element('id', 'near')
    ActionChains(page, duration=20).move_to_element_with_offset(enlarged, -65, 65).perform()
    assert text(page, 'total').startswith('row 7, column 1: ')
    bar = page.find_elements('css selector', '#bars button')[3]
    ActionChains(page, duration=20).move_to_element(bar).perform()
    assert text(page, 'total').startswith('3: 10 largest ')
    assert bar.accessible_name.startswith('3: ')
    sizes = "return [...$('sight').querySelectorAll('*')].map(e => getComputedStyle(e).fontSize)"
    assert min(float(size[:-2]) for size in browser.run(page, sizes)) >= 11
    assert not page.find_elements('css selector', 'canvas:not([aria-label])')
    assert {*paths(page)} <= {'/step'}
    page.find_element('id', 'clear').click()
    assert text(page, 'total') == '' and page.find_element('id', 'hint').is_displayed()


def test_weights_without_dimensions(page, monkeypatch):
    """The page goes on if an answer has a single number where it expects an array."""
    monkeypatch.setattr(layers.Network, 'weights', lambda *_: {'number': np.float32(1)})
    take(page, 0)
    assert 'step 300' in text(page, 'status')


@pytest.mark.parametrize('add', [normalized, lambda sums: sums + 0.1])
def test_a_changed_network(add, page, serving, run, monkeypatch, tmp_path):
    """The app reads it and draws the layers that it finds, on the page and from a file."""
    forward = lambda x, *_: changed(x, add=add, classes=5)  # noqa: E731
    monkeypatch.setattr('mnist_lenet5_forward.forward', forward)
    serving.answers = live_of(tmp_path / 'model', save=True).answers
    take(page, 0)
    assert browser.run(page, 'return Object.keys(layers.layers)') == FOUND
    assert len(page.find_elements('css selector', '#bars button')) == 5
    (tables, line), pooled = sums(page, [['conv1', 5, 9, 9], ['pool1', 5, 9, 9]])
    assert tables == [] and len(line) == 1 and len(pooled[0][0]) == 4
    (tmp_path / '0.png').write_bytes(picture(0))
    flags = '--model_dir', tmp_path / 'model', '--layers', tmp_path / 'layers.png'
    status, (line,), err = run(tmp_path / '0.png', *flags)
    assert (status, err) == (0, []) and (tmp_path / 'layers.png').exists()
    assert line.endswith(': %s (%s)' % tuple(text(page, 'read').split()))


@pytest.mark.parametrize('tag, chosen', [('zh-CN', 0), ('de', 1)])
def test_languages_at_each_width(page, tag, chosen):
    """Nothing is wider than the window, whatever is pointed at; a language that is chosen stays."""
    titles = ['你自己的笔迹', 'Your own handwriting']
    keys = 'return Object.values(words.WORDS).map(w => Object.keys({...w, ...w.errors}))'
    english, chinese = browser.run(page, keys)
    assert english == chinese
    agent = {'userAgent': page.execute_script('return navigator.userAgent')}
    page.execute_cdp_cmd('Emulation.setUserAgentOverride', dict(agent, acceptLanguage=tag))
    page.refresh()
    assert page.find_element('tag name', 'h1').text == titles[chosen]
    assert not page.find_elements('css selector', '[data-say]:empty')
    take(page, 2)
    corner = "return $('conv2').getContext('2d').getImageData(0, 0, 1, 1).data[0]"
    widths = "return ['scroll', 'client'].map(n => document.documentElement[n + 'Width'])"
    tops = "return [...arguments].map(name => $(name).getBoundingClientRect().top)"
    for i, width in enumerate([320, 375, 485, 768, 1024, 1400]):
        media = {'name': 'prefers-color-scheme', 'value': ['light', 'dark'][i % 2]}
        page.execute_cdp_cmd('Emulation.setEmulatedMedia', {'features': [media]})
        until(lambda i=i: (browser.run(page, corner) < 128) == i % 2, 'the theme changes')
        size = {'width': width, 'height': 900, 'deviceScaleFactor': 1, 'mobile': False}
        page.execute_cdp_cmd('Emulation.setDeviceMetricsOverride', size)
        for asked in ['conv1', 9, 7, 7], ['pool1', 9, 7, 7], ['pool2', 9, 3, 3], 3:
            browser.run(page, SUMS, [asked])
            content, window = page.execute_script(widths)
            assert content == window > width - 20  # of which a scroll bar may take some
        input_, near, field, answer = browser.run(page, tops, 'input', 'near', 'field', 'answer')
        assert input_ == near and (answer - field < 300) == (width == 768)
        assert browser.run(page, 'return layers.layers.conv1.columns') == 8 + 8 * (width >= 768)
    page.find_element('id', 'language').click()
    page.refresh()
    assert page.find_element('tag name', 'h1').text == titles[1 - chosen]
    page.execute_script('localStorage.clear()')
    page.execute_cdp_cmd('Emulation.setUserAgentOverride', dict(agent, acceptLanguage='en'))


def test_every_text_can_be_read():
    """Texts have a contrast of 4.5, in both themes, also a number on the strongest tint."""
    with open(os.path.join(server.FOLDER, 'style.css'), encoding='utf-8') as file:
        style = file.read()
    light, dark = re.findall(r':root \{(.*?)\}', style, re.DOTALL)
    tints = re.findall(r'--hue: var\(--(\w+)\); --tint: (\d+)%', style)
    for name in 'paper', 'cell', 'ink', 'blue', 'orange':
        assert '--%s: #%02x%02x%02x;' % (name, *getattr(pictures, name.upper())) in light
    for theme in light, dark:
        found = re.findall(r'--(\w+): (#\w{6})', theme)
        colours = {name: np.array(ImageColor.getrgb(value)) / 255 for name, value in found}
        ink, soft, cell = [colours[name] for name in ('ink', 'soft', 'cell')]
        tinted = [cell + int(most) / 100 * (colours[hue] - cell) for hue, most in tints]
        pairs = [(colours[name], colours['paper']) for name in ('ink', 'soft', 'orange', 'blue')]
        pairs += [(soft, colours['sheet']), (ink, cell), *((ink, tint) for tint in tinted)]
        low, high = np.sort(rgb2xyz(pairs)[..., 1]).T + 0.05  # WCAG's contrast
        assert len(pairs) == 9 and (high / low).min() >= 4.5
