"""The pages: links lead somewhere, commands are the same, figures have one source."""

import importlib
import os
import re
import sys

import pytest
from helpers import ROOT

PAGES = ['README.md', 'README.zh-CN.md', 'data/README.md']
PAGES += [
    'docs/' + name for name in sorted(os.listdir(os.path.join(ROOT, 'docs'))) if '.md' in name
]
TRANSLATED = [page for page in PAGES if page.replace('.md', '.zh-CN.md') in PAGES]


def text(page):
    with open(os.path.join(ROOT, *page.split('/')), encoding='utf-8') as file:
        return file.read()


def prose(page):
    """Without the blocks of code, in which a # is no heading and a ] no link."""
    return re.sub(r'^```.*?^```', '', text(page), flags=re.MULTILINE | re.DOTALL)


def anchors(page):
    """The anchors that GitHub gives the headings of a page."""
    headings = re.findall(r'^#+ (.+)$', prose(page), re.MULTILINE)
    kept = [re.sub(r'[^\w\- ]', '', heading.lower()) for heading in headings]
    return {heading.replace(' ', '-') for heading in kept}


@pytest.mark.parametrize('page', PAGES)
def test_links(page):
    for target in re.findall(r'(?:\]\(|src=")([^)"\s]+)', prose(page)):
        if '://' in target:
            continue
        path, _, anchor = target.partition('#')
        linked = os.path.normpath(os.path.join(os.path.dirname(page), path)) if path else page
        linked = linked.replace(os.sep, '/')
        assert os.path.exists(os.path.join(ROOT, linked)), target
        assert not anchor or anchor in anchors(linked), target


def test_every_page_is_linked_from_the_readme_of_its_language():
    for page in PAGES[2:]:
        readme = 'README.zh-CN.md' if 'zh-CN' in page else 'README.md'
        assert '](%s)' % page in text(readme) or '](%s#' % page in text(readme), page


@pytest.mark.parametrize('page', TRANSLATED)
def test_a_translation_has_the_same_parts(page):
    """Headings, rows, blocks of code, pictures; and the same links, to the page of its language."""
    chinese = page.replace('.md', '.zh-CN.md')
    for part in r'^#+ ', r'^\|', r'^```', r'^!\[', r'^\d+\. ':
        counts = [len(re.findall(part, text(name), re.MULTILINE)) for name in (page, chinese)]
        assert counts[0] == counts[1], part

    def linked(name):
        targets = [t.partition('#')[0] for t in re.findall(r'\]\(([^)\s]+)\)', prose(name))]
        return sorted(target.replace('.zh-CN', '') for target in targets)

    assert linked(page) == linked(chinese)


def commands(page):
    blocks = re.findall(r'^```(?:bash)?\n(.*?)^```', text(page), re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if '.venv' in line]


def test_the_commands_are_the_same_in_both_readmes():
    assert commands('README.md') == commands('README.zh-CN.md') != []


def test_one_command_runs_the_tests():
    """.ci/run takes it out of the README."""
    found = re.findall(r'^.*/python -m pytest$', text('README.md'), re.MULTILINE)
    assert len(found) == 1 and re.match('python3? -m venv .venv && ', found[0])


def test_figures_of_a_step():
    """Both READMEs quote docs/speed.md: ours, the lecture's program twice, PyTorch's fastest."""
    rows = re.findall(r'^\| *([^|]+?) *\|[ *]*([\d.]+)[ *]*\|', text('docs/speed.md'), re.MULTILINE)
    source = {row.strip('*'): ms for row, ms in rows}
    expected = [
        source['ours'],
        source["the lecture's program, today's TensorFlow"],
        source["the lecture's program, TensorFlow 1.15.5"],
        min((ms for row, ms in source.items() if 'PyTorch' in row), key=float),
    ]
    for page, unit in ('README.md', 'ms'), ('README.zh-CN.md', '毫秒'):
        assert re.findall(r'([\d.]+) ' + unit, text(page)) == expected


@pytest.mark.parametrize('script', ['backward', 'test', 'app'])
@pytest.mark.parametrize('page', ['docs/running.md', 'docs/running.zh-CN.md'])
def test_all_flags_of_a_script_are_in_the_table(page, script, monkeypatch, capsys):
    """With the argument, and with the default, as --help prints them."""
    monkeypatch.setattr(sys, 'argv', [script, '--help'])
    with pytest.raises(SystemExit):
        importlib.import_module('mnist_lenet5_' + script).main()
    printed = capsys.readouterr().out
    row = r'^\| `(\S+)(.*?)` \| [a-z, ]*\b%s\b[a-z, ]* \| (?:`(\S+)`)? *\|' % script
    rows = re.findall(row, text(page), re.MULTILINE)
    flags = re.findall(r'^  (--\w+|PICTURE)((?: [A-Z]\S*)?)', printed, re.MULTILINE)
    assert sorted((flag, rest.replace(' ...', '')) for flag, rest, _ in rows) == sorted(flags)
    assert all(f'({default})' in printed for _, _, default in rows if default)
