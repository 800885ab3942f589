"""Writes the tables of experiments.md and experiments.zh-CN.md, and draws experiments.png, out of
benchmarks/experiments.jsonl.

    python docs/experiments.py

needs matplotlib.
"""

import os
import re
import sys

import numpy as np

DOCS = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(DOCS, '..', 'benchmarks'), os.path.join(DOCS, '..')]

from support import pictures  # noqa: E402

import claims  # noqa: E402
import experiments  # noqa: E402

LONGER = 10000, 55000  # steps and digits, for the tables nearer to the lecture's setting
QUOTES = {
    'dropout reduces overfitting': '“Dropout 可以有效减少过拟合”',
    'dropout: trains faster': 'dropout：“加快模型的训练速度”',
    'L2: the model does not fit noise': 'L2：“使模型不会随意拟合训练数据中的随机噪音”',
    'a decaying rate: no large swings late': '学习率衰减：“保证模型在训练后期不会有太大波动”',
    'the average is more stable': '滑动平均：“decay 越大模型越稳定”',
    'ReLU converges fast': '“relu 函数可以实现快速的收敛”',
}
CHINESE = {
    'convolutions before the fully connected layers': '先卷积、再全连接（7.1 节）',
    '(not in the lecture) at first, raw weights are ahead': '（讲义没有说）训练初期原始权重领先',
    'training minus test accuracy at the end, points': '最后的训练准确率减去测试准确率（百分点）',
    'change from one test to the next in the last 2,000 steps, points': (
        '最后 2,000 步里相邻两次测试准确率之差（百分点）'
    ),
    'test accuracy at the end, %': '最后的测试准确率（%）',
    'steps to 90% test accuracy': '测试准确率达到 90% 的步数',
    'steps to 95% test accuracy': '测试准确率达到 95% 的步数',
    '| row | seeds': '| 行 | 种子数',
    'training accuracy, %': '训练准确率（%）',
    'test accuracy, %': '测试准确率（%）',
    'with raw weights': '用原始权重',
    ' (raw weights)': '（原始权重）',
    'test cross entropy': '测试交叉熵',
    'steps to 90%': '达到 90% 的步数',
    'steps to 95%': '达到 95% 的步数',
    'parameters': '参数个数',
    '| the lecture | measure | should be better | than | seeds | verdict |': (
        '| 讲义 | 衡量什么 | 应该更好的 | 与之相比 | 种子数 | 结论 |'
    ),
    'too few seeds': '种子还不够',
    'not to be seen here': '这里看不出来',
    'confirmed': '得到证实',
    'the other way round': '恰好相反',
}


def page(text, chinese):
    """Returns the text of a page with new tables."""
    lengths = experiments.finished(), experiments.finished(*LONGER)
    tables = [table(runs) for runs in lengths for table in (claims.claims_table, claims.rows_table)]
    quotes = {claim: f'{quote} ({claim})'.replace('：', ': ') for claim, quote in QUOTES.items()}
    for english, other in ({**QUOTES, **CHINESE} if chinese else quotes).items():
        tables = [table.replace(english, other) for table in tables]
    return re.sub(r'(?m)(^\|.*\n)+', lambda _: tables.pop(0) + '\n', text)


def main():
    for name in 'experiments.md', 'experiments.zh-CN.md':
        path = os.path.join(DOCS, name)
        with open(path, encoding='utf-8') as file:
            text = page(file.read(), 'zh' in name)
        with open(path, 'w', encoding='utf-8') as file:
            file.write(text)
    draw(experiments.finished())


PANELS = {  # row: what is different
    'no-dropout': 'no dropout',
    'sigmoid': 'sigmoid, not ReLU',
    'rate-x10': '10 times the learning rate',
    'all-digits': 'all 55,000 digits',
    '3x3-kernels': 'kernels of 3x3, not 5x5',
    'one-convolution': 'one convolution',
    'no-convolution': 'no convolution',
    'raw-weights': 'raw weights, no average',
}
GREY, BLUE, ORANGE = '#b0b0b0', *(np.divide(c, 255) for c in (pictures.BLUE, pictures.ORANGE))
TICKS = 0.01, 0.05, 0.2, 0.5, 1, 2, 3, 5, 10, 20, 50, 90


def draw(results):
    """Draws the curves of the test accuracy, and below them a dot for each row and seed."""
    import matplotlib.pyplot as plt

    runs = {}
    for run in results:
        runs.setdefault(run['row'], []).append(run)
        if run['row'] == 'baseline':
            raw = {key[len('raw_') :]: value for key, value in run.items() if 'raw_' in key}
            runs.setdefault('raw-weights', []).append(dict(run, **raw))
    panels = [row for row in PANELS if row in runs]
    lines = -(-len(panels) // 4)
    plt.rcParams.update({'font.size': 9, 'axes.spines.top': False, 'axes.spines.right': False})
    figure = plt.figure(figsize=(9, 4.4 + 2 * lines), constrained_layout=True)
    upper, lower = figure.subfigures(2, 1, height_ratios=(2 * lines, 4.4))
    title = 'Test accuracy over the steps of a training. Grey: the baseline. Blue: with one change'
    upper.suptitle(title)
    for i, row in enumerate(panels):
        axes = upper.add_subplot(lines, 4, i + 1)
        for name, colour, width in ('baseline', GREY, 3), (row, BLUE, 1.2):
            for run in runs.get(name, []):
                axes.plot(run['tested'], errors(run['accuracy']), color=colour, linewidth=width)
        axes.set_title(PANELS[row], fontsize=9, color=BLUE, loc='left')
        scale(axes, 'y', 1.5, 92)
        axes.set_xticks([0, 3000, 6000], ['0', '3,000', '6,000'])
        axes.grid(alpha=0.3)
        axes.label_outer()
    lower.suptitle('Accuracy after 6,000 steps: a dot for each seed')
    axes = lower.add_subplot()
    for key, colour, label in (
        ('accuracy', BLUE, 'on the 10,000 test digits'),
        ('train_accuracy', ORANGE, 'on the digits of the training, without dropout'),
    ):
        dots = [(errors(np.ravel(run[key])[-1]), row) for row in runs for run in runs[row]]
        axes.scatter(*zip(*dots), s=22, color=colour, alpha=0.7, label=label)
    scale(axes, 'x', 0.008, 92)
    axes.invert_yaxis()
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, loc='upper right')
    figure.savefig(os.path.join(DOCS, 'experiments.png'), dpi=100)


def errors(accuracy):
    """Returns percent of wrong answers. A logarithmic scale has no place for 0%."""
    return np.maximum(0.01, 100 * (1 - np.array(accuracy)))


def scale(axes, name, lowest, highest):
    """Makes the axis logarithmic in the errors, and labels it with accuracies."""
    axis = getattr(axes, name + 'axis')
    axes.set(**{name + 'scale': 'log', name + 'lim': (highest, lowest)})
    ticks = [tick for tick in TICKS if lowest <= tick <= highest]
    axis.set_ticks(ticks, ['100%' if tick == 0.01 else '%g%%' % (100 - tick) for tick in ticks])
    axis.set_ticks([], minor=True)


if __name__ == '__main__':
    main()
