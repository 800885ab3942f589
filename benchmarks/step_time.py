"""Times one training step here and elsewhere: the same network, batch and optimizer.

    pip install -r benchmarks/requirements.txt
    python benchmarks/step_time.py --python37 PATH

PATH is a Python 3.7 with TensorFlow 1.15.5, for the lecture's program. Each entry runs in a process
of its own, one after the other, round after round. A step gets 100 digits as NumPy arrays and ends
when its loss is a Python number. Dropout, L2 terms, SGD with exponential decay and the moving
average are part of each. Prints the median of all rounds, the fastest and the slowest round, and
the median of the ratios to ours in the same round.
"""

import argparse
import contextlib
import importlib
import itertools
import os
import subprocess
import sys
import tempfile
import time
from types import SimpleNamespace

import numpy as np

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [ROOT, os.path.join(ROOT, 'tests')]

L2, RATE, RATE_DECAY, DECAY_STEPS, EMA = 0.0001, 0.005, 0.99, 550, 0.99
WARM_UP, STEPS = 20, 100  # of a round

LABELS = np.random.RandomState(0).randint(0, 10, 100)
IMAGES = np.random.RandomState(0).rand(100, 28, 28, 1).astype(np.float32)
ticks = []


class Enough(Exception):
    pass


def tick():
    """Records the time of a step. Raises Enough after the last step."""
    ticks.append(time.perf_counter())
    if len(ticks) > WARM_UP + STEPS:
        raise Enough


def backward(name, **options):
    """Runs our backward(), or the lecture's."""
    module = importlib.import_module(name)
    if name == 'lecture':
        module.tf.disable_v2_behavior()
    batch = IMAGES.reshape(100, 784), np.eye(10)[LABELS]
    data = SimpleNamespace(num_examples=55000, next_batch=lambda size: tick() or batch)
    with tempfile.TemporaryDirectory() as module.MODEL_SAVE_PATH:
        module.SAVE_STEPS = 10**9
        module.backward(SimpleNamespace(train=data), **options)


def without_dropout():
    ours = importlib.import_module('mnist_lenet5_backward')  # before forward: it switches oneDNN on
    ours.mnist_lenet5_forward.dropout = lambda x, rate, seed: x
    backward('mnist_lenet5_backward')


def keras_fit():
    """Keras 3 on TensorFlow."""
    import keras
    from keras.layers import Conv2D, Dense, Dropout, Flatten, MaxPooling2D

    same = {'kernel_initializer': keras.initializers.TruncatedNormal(stddev=0.1)}
    same['kernel_regularizer'] = keras.regularizers.L2(L2 / 2)
    conv = {'padding': 'same', 'activation': 'relu', **same}
    layers = [Conv2D(32, 5, **conv), MaxPooling2D(), Conv2D(64, 5, **conv), MaxPooling2D()]
    layers += [Flatten(), Dense(512, activation='relu', **same), Dropout(0.5), Dense(10, **same)]
    model = keras.Sequential(layers)
    rate = keras.optimizers.schedules.ExponentialDecay(RATE, DECAY_STEPS, RATE_DECAY, True)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(rate, use_ema=True, ema_momentum=EMA), loss)
    clock = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: tick())
    xs, labels = np.tile(IMAGES, (1000, 1, 1, 1)), np.tile(LABELS, 1000)
    model.fit(xs, labels, batch_size=100, epochs=1000, verbose=0, callbacks=[clock])


def pytorch(channels_last=False, compiled=False):
    import torch
    from torch import nn

    def block(channels, kernels):
        return nn.Conv2d(channels, kernels, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    memory_format = torch.channels_last if channels_last else torch.contiguous_format
    fc = nn.Linear(3136, 512), nn.ReLU(), nn.Dropout(0.5), nn.Linear(512, 10)
    model = nn.Sequential(*block(1, 32), *block(32, 64), nn.Flatten(), *fc)
    model = model.to(memory_format=memory_format)
    parameters = list(model.parameters())
    weights = parameters[::2]
    for w, b in zip(weights, parameters[1::2]):
        nn.init.trunc_normal_(w, std=0.1, a=-0.2, b=0.2), nn.init.zeros_(b)
    shadows = [p.detach().clone() for p in parameters]
    optimizer = torch.optim.SGD(parameters, RATE)
    cross_entropy = nn.CrossEntropyLoss()

    def loss_of(x, y):
        return cross_entropy(model(x), y) + L2 / 2 * sum((w * w).sum() for w in weights)

    if compiled:
        loss_of = torch.compile(loss_of)
    images = np.ascontiguousarray(IMAGES.transpose(0, 3, 1, 2))
    for i in itertools.count():
        tick()
        x = torch.from_numpy(images).to(memory_format=memory_format)
        optimizer.param_groups[0]['lr'] = RATE * RATE_DECAY ** (i // DECAY_STEPS)
        optimizer.zero_grad()
        loss = loss_of(x, torch.from_numpy(LABELS))
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            torch._foreach_lerp_(shadows, parameters, 1 - min(EMA, (2 + i) / (11 + i)))
        loss.item()


LECTURE = 'the lecture, TensorFlow 1.15.5'
ENTRIES = {
    'ours': lambda: backward('mnist_lenet5_backward'),
    'ours, without dropout': without_dropout,
    'ours, --bfloat16': lambda: backward('mnist_lenet5_backward', bfloat16=True),
    LECTURE: lambda: backward('lecture'),
    "the lecture, today's TensorFlow": lambda: backward('lecture'),
    'Keras fit': keras_fit,
    'PyTorch': pytorch,
    'PyTorch, channels_last': lambda: pytorch(True),
    'PyTorch, channels_last, compiled': lambda: pytorch(True, True),
}


def main():
    made = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    made.add_argument('--rounds', type=int, default=3, metavar='N', help='default: 3')
    rows = [entry for entry in ENTRIES if not entry.startswith('ours,')]  # of docs/speed.md
    made.add_argument('--only', nargs='+', choices=ENTRIES, metavar='ENTRY', default=rows)
    made.add_argument('--python37', metavar='PATH', help='without it that entry is left out')
    made.add_argument('--child', choices=ENTRIES, help=argparse.SUPPRESS)
    args = made.parse_args()
    if args.child:
        with contextlib.suppress(Enough):
            ENTRIES[args.child]()
        print(1e3 * np.median(np.diff(ticks)[WARM_UP:]))
        return
    medians = {entry: [] for entry in args.only if entry != LECTURE or args.python37}
    for _ in range(args.rounds):
        for entry, found in medians.items():
            python = args.python37 if entry == LECTURE else sys.executable
            command = [python, __file__, '--child', entry]
            found.append(float(subprocess.check_output(command).split()[-1]))
    for entry, found in medians.items():
        row = entry, np.median(found), min(found), max(found)
        ratio = np.median(np.divide(found, medians.get('ours', np.nan)))  # round by round
        print('%-34s %7.2f ms (%.2f to %.2f), to ours %.2f' % (*row, ratio))


if __name__ == '__main__':
    main()
