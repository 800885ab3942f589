"""Chromium for the tests of the page, for docs/page.py and for benchmarks/drawing.py."""

import shutil

from selenium.webdriver import Chrome, ChromeOptions, ChromeService

NAMES = 'chromium', 'chromium-browser', 'google-chrome'
FLAGS = 'headless=new', 'window-size=1300,1000', 'disable-dev-shm-usage', 'no-sandbox'  # for root
MODULES = """
const names = ['field', 'layers', 'shown', 'words'];
const [field, layers, shown, words] = await Promise.all(names.map(name => import(`/${name}.js`)));
const {$} = words;
"""


def chromium(*flags):
    """Starts Chromium without a window and returns its driver; None if it is not installed."""
    binaries, driver = [*filter(None, map(shutil.which, NAMES))], shutil.which('chromedriver')
    if not (binaries and driver):
        return None
    options = ChromeOptions()
    options.binary_location = binaries[0]
    for flag in [*FLAGS, *flags]:
        options.add_argument('--' + flag)
    options.set_capability('goog:loggingPrefs', {'browser': 'ALL'})
    return Chrome(options, ChromeService(driver))


def run(driver, script, *args):
    """Returns what a script returns that uses the page's modules, and may await."""
    return driver.execute_script('return (async () => {%s%s})()' % (MODULES, script), *args)
