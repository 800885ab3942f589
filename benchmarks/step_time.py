"""Times one training step here and in other frameworks: the same network, batch and optimizer.

    python benchmarks/step_time.py --rounds 3 --python37 PATH

PATH is a Python 3.7 with TensorFlow 1.15.5, for the lecture's program; without it that is left out.
Each entry runs in a process of its own, one after the other, round after round. A step is given
100 digits as NumPy arrays and is over when its loss is a Python number. Dropout, L2 terms, SGD with
exponential decay and the moving average are part of it everywhere.

Prints, over all rounds, the median of a step, the medians of the fastest and the slowest round, the
ratio to ours, and the arithmetic done in a second.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from types import SimpleNamespace

import numpy as np

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

BATCH = 100
GFLOP = 7.24  # a step: forward, weight gradients, input gradients but for those of the pixels
L2, RATE, RATE_DECAY, DECAY_STEPS, EMA = 0.0001, 0.005, 0.99, 550, 0.99
WARM_UP = 20  # steps


def digits():
    random = np.random.RandomState(0)
    labels = random.randint(0, 10, BATCH)
    return random.rand(BATCH, 28, 28, 1).astype(np.float32), labels


def ema_decay(step):
    return min(EMA, (1 + step) / (10 + step))


class Enough(Exception):
    pass


def times_of(step, steps):
    """Returns the seconds of each of `steps` calls of step(i), after the warm-up."""
    times = []
    for i in range(WARM_UP + steps):
        start = time.perf_counter()
        step(i)
        times.append(time.perf_counter() - start)
    return times[WARM_UP:]


def between_batches(module, steps, **options):
    """Returns the seconds of each step of module.backward(), from one next_batch to the next."""
    xs, labels = digits()
    batch = xs.reshape(BATCH, 784), np.eye(10)[labels]
    calls = []

    def next_batch(size):
        calls.append(time.perf_counter())
        if len(calls) > WARM_UP + steps:
            raise Enough
        return batch

    module.SAVE_STEPS = 10**9
    data = SimpleNamespace(num_examples=55000, next_batch=next_batch)
    with tempfile.TemporaryDirectory() as folder:
        module.MODEL_SAVE_PATH = folder
        try:
            module.backward(SimpleNamespace(train=data), **options)
        except Enough:
            pass
    return list(np.diff(calls))[WARM_UP:]


def ours(steps, bfloat16=False):
    import mnist_lenet5_backward

    return between_batches(mnist_lenet5_backward, steps, bfloat16=bfloat16)


def the_lecture(steps):
    import lecture

    return between_batches(lecture, steps)


def plain_port(steps):
    """The notes' code with the fewest changes that let it run."""
    import tensorflow.compat.v1 as tf

    tf.disable_eager_execution()

    def weight(shape):
        w = tf.Variable(tf.truncated_normal(shape, stddev=0.1))
        tf.add_to_collection('losses', L2 * tf.nn.l2_loss(w))
        return w

    def conv_and_pool(x, shape):
        w, b = weight(shape), tf.Variable(tf.zeros(shape[3:]))
        relu = tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(x, w, [1, 1, 1, 1], 'SAME'), b))
        return tf.nn.max_pool(relu, [1, 2, 2, 1], [1, 2, 2, 1], 'SAME')

    x = tf.placeholder(tf.float32, [BATCH, 28, 28, 1])
    y_ = tf.placeholder(tf.float32, [None, 10])
    pool = conv_and_pool(conv_and_pool(x, [5, 5, 1, 32]), [5, 5, 32, 64])
    fc1 = tf.matmul(tf.reshape(pool, [BATCH, 3136]), weight([3136, 512]))
    fc1 = tf.nn.dropout(tf.nn.relu(fc1 + tf.Variable(tf.zeros([512]))), rate=0.5)
    y = tf.matmul(fc1, weight([512, 10])) + tf.Variable(tf.zeros([10]))
    global_step = tf.Variable(0, trainable=False)
    ce = tf.nn.sparse_softmax_cross_entropy_with_logits(logits=y, labels=tf.argmax(y_, 1))
    loss = tf.reduce_mean(ce) + tf.add_n(tf.get_collection('losses'))
    rate = tf.train.exponential_decay(RATE, global_step, DECAY_STEPS, RATE_DECAY, staircase=True)
    optimizer = tf.train.GradientDescentOptimizer(rate)
    train_step = optimizer.minimize(loss, global_step=global_step)
    ema = tf.train.ExponentialMovingAverage(EMA, global_step)
    with tf.control_dependencies([train_step, ema.apply(tf.trainable_variables())]):
        train_op = tf.no_op(name='train')
    xs, labels = digits()
    feed = {x: xs, y_: np.eye(10)[labels]}
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        return times_of(lambda i: sess.run([train_op, loss, global_step], feed), steps)


def keras_fit(steps):
    """Keras 3 on TensorFlow: model.fit, timed from batch to batch."""
    import keras

    def regularized(layer, *args, **options):
        return layer(
            *args,
            kernel_regularizer=keras.regularizers.L2(L2 / 2),
            kernel_initializer=keras.initializers.TruncatedNormal(stddev=0.1),
            **options,
        )

    layers = keras.layers
    model = keras.Sequential(
        [
            layers.Input((28, 28, 1)),
            regularized(layers.Conv2D, 32, 5, padding='same', activation='relu'),
            layers.MaxPooling2D(),
            regularized(layers.Conv2D, 64, 5, padding='same', activation='relu'),
            layers.MaxPooling2D(),
            layers.Flatten(),
            regularized(layers.Dense, 512, activation='relu'),
            layers.Dropout(0.5),
            regularized(layers.Dense, 10),
        ]
    )
    rate = keras.optimizers.schedules.ExponentialDecay(RATE, DECAY_STEPS, RATE_DECAY, True)
    model.compile(
        keras.optimizers.SGD(rate, use_ema=True, ema_momentum=EMA),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    ends = []

    class Clock(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            ends.append(time.perf_counter())

    xs, labels = digits()
    n = WARM_UP + steps
    xs, labels = np.tile(xs, (n, 1, 1, 1)), np.tile(labels, n)
    model.fit(xs, labels, batch_size=BATCH, verbose=0, callbacks=[Clock()])
    return list(np.diff(ends))[WARM_UP - 1 :]


def pytorch(steps, channels_last=False, compiled=False, bfloat16=False):
    import torch
    from torch import nn

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    model = nn.Sequential(
        nn.Conv2d(1, 32, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(3136, 512),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(512, 10),
    )
    memory_format = torch.channels_last if channels_last else torch.contiguous_format
    model = model.to(memory_format=memory_format)
    weights = [p for p in model.parameters() if p.dim() > 1]
    for p in model.parameters():
        nn.init.trunc_normal_(p, std=0.1, a=-0.2, b=0.2) if p.dim() > 1 else nn.init.zeros_(p)
    shadows = [p.detach().clone() for p in model.parameters()]
    optimizer = torch.optim.SGD(model.parameters(), RATE)
    cross_entropy = nn.CrossEntropyLoss()

    def loss_of(x, y):
        with torch.autocast('cpu', torch.bfloat16, enabled=bfloat16):
            logits = model(x)
        loss = cross_entropy(logits.float(), y)
        return loss + L2 / 2 * sum((w * w).sum() for w in weights)

    if compiled:
        loss_of = torch.compile(loss_of)
    xs, labels = digits()
    xs = np.ascontiguousarray(xs.transpose(0, 3, 1, 2))

    def step(i):
        x = torch.from_numpy(xs).to(memory_format=memory_format)
        optimizer.param_groups[0]['lr'] = RATE * RATE_DECAY ** (i // DECAY_STEPS)
        optimizer.zero_grad()
        loss = loss_of(x, torch.from_numpy(labels))
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            torch._foreach_lerp_(shadows, list(model.parameters()), 1 - ema_decay(i + 1))
        return loss.item()

    return times_of(step, steps)


def jax_jit(steps):
    import jax
    import jax.numpy as jnp

    def initial(seed):
        shapes = [(5, 5, 1, 32), (5, 5, 32, 64), (3136, 512), (512, 10)]
        parameters = []
        for key, shape in zip(jax.random.split(seed, 4), shapes):
            weight = 0.1 * jax.random.truncated_normal(key, -2, 2, shape)
            parameters += [weight, jnp.zeros(shape[-1:])]
        return parameters

    def conv_and_pool(x, w, b):
        x = jax.lax.conv_general_dilated(
            x, w, (1, 1), 'SAME', dimension_numbers=('NHWC', 'HWIO', 'NHWC')
        )
        window = (1, 2, 2, 1)
        return jax.lax.reduce_window(
            jax.nn.relu(x + b), -jnp.inf, jax.lax.max, window, window, 'SAME'
        )

    def loss_of(parameters, x, labels, key):
        w1, b1, w2, b2, w3, b3, w4, b4 = parameters
        x = conv_and_pool(conv_and_pool(x, w1, b1), w2, b2).reshape(BATCH, 3136)
        x = jax.nn.relu(x @ w3 + b3)
        x = jnp.where(jax.random.bernoulli(key, 0.5, x.shape), x * 2, 0)
        log_p = jax.nn.log_softmax(x @ w4 + b4)
        cross_entropy = -jnp.mean(log_p[jnp.arange(BATCH), labels])
        return cross_entropy + L2 / 2 * sum((w * w).sum() for w in (w1, w2, w3, w4))

    def train(parameters, shadows, x, labels, i):
        key = jax.random.fold_in(jax.random.PRNGKey(1), i)
        loss, gradients = jax.value_and_grad(loss_of)(parameters, x, labels, key)
        rate = RATE * RATE_DECAY ** (i // DECAY_STEPS)
        parameters = [p - rate * g for p, g in zip(parameters, gradients)]
        decay = jnp.minimum(EMA, (2 + i) / (11 + i))
        shadows = [decay * s + (1 - decay) * p for s, p in zip(shadows, parameters)]
        return parameters, shadows, loss

    train = jax.jit(train, donate_argnums=(0, 1))
    xs, labels = digits()
    state = [initial(jax.random.PRNGKey(0)), initial(jax.random.PRNGKey(0))]

    def step(i):
        state[0], state[1], loss = train(state[0], state[1], xs, labels, i)
        return float(loss)

    return times_of(step, steps)


def matmul(steps):
    """A large matrix product, as many as make one step's arithmetic: the best this machine does."""
    import tensorflow.compat.v1 as tf

    tf.disable_eager_execution()
    n = 2048
    a = tf.Variable(tf.random.normal([n, n]))
    product = tf.matmul(a, a)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        times = times_of(lambda i: sess.run(product.op), steps)
    return [seconds * GFLOP / (2e-9 * n**3) for seconds in times]


LECTURE = 'the lecture, TensorFlow 1.15.5'
ENTRIES = {
    'ours': ours,
    LECTURE: the_lecture,
    'plain port of the notes': plain_port,
    'Keras fit': keras_fit,
    'PyTorch': pytorch,
    'PyTorch, channels_last': lambda n: pytorch(n, channels_last=True),
    'PyTorch, compiled': lambda n: pytorch(n, compiled=True),
    'PyTorch, channels_last, compiled': lambda n: pytorch(n, channels_last=True, compiled=True),
    'JAX jit': jax_jit,
    'ours, --bfloat16': lambda n: ours(n, bfloat16=True),
    'PyTorch, bfloat16': lambda n: pytorch(n, bfloat16=True),
    'PyTorch, bfloat16, channels_last': lambda n: pytorch(n, channels_last=True, bfloat16=True),
    'PyTorch, bfloat16, both, compiled': lambda n: pytorch(n, True, True, True),
    'ours, AVX2, oneDNN on': ours,
    'ours, AVX2, oneDNN off': ours,
    'large matrix product': matmul,
}
# oneDNN can be told to do with an older processor; TensorFlow's other arithmetic cannot.
ENVIRONMENT = {
    'ours, AVX2, oneDNN on': {'ONEDNN_MAX_CPU_ISA': 'AVX2', 'TF_ENABLE_ONEDNN_OPTS': '1'},
    'ours, AVX2, oneDNN off': {'ONEDNN_MAX_CPU_ISA': 'AVX2', 'TF_ENABLE_ONEDNN_OPTS': '0'},
}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--rounds', type=int, default=3, metavar='N', help='default: 3')
    parser.add_argument('--steps', type=int, default=100, metavar='N', help='a round; default: 100')
    parser.add_argument('--only', nargs='+', choices=ENTRIES, metavar='ENTRY', default=[*ENTRIES])
    parser.add_argument('--python37', metavar='PATH', help='that has TensorFlow 1.15.5')
    parser.add_argument('--child', choices=ENTRIES, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        print(json.dumps(ENTRIES[args.child](args.steps)))
        return
    if LECTURE in args.only and not args.python37:
        args.only = [entry for entry in args.only if entry != LECTURE]
        print('%s: left out, it needs --python37' % LECTURE, file=sys.stderr)
    medians = {entry: [] for entry in args.only}
    for _ in range(args.rounds):
        for entry in args.only:
            python = args.python37 if entry == LECTURE else sys.executable
            command = [python, __file__, '--child', entry, '--steps', str(args.steps)]
            environment = dict(os.environ, **ENVIRONMENT.get(entry, {}))
            out = subprocess.run(
                command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            ).stdout
            if out:
                medians[entry].append(1e3 * statistics.median(json.loads(out.splitlines()[-1])))
                print('%-34s %6.2f ms' % (entry, medians[entry][-1]), file=sys.stderr)
    ours_ms = statistics.median(medians.get('ours') or [float('nan')])
    print('%-34s %8s %16s %8s %8s' % ('', 'ms', 'rounds', 'to ours', 'GFLOP/s'))
    for entry, ms in medians.items():
        if ms:
            middle = statistics.median(ms)
            print(
                '%-34s %8.2f %7.2f to %5.2f %8.2f %8.0f'
                % (entry, middle, min(ms), max(ms), middle / ours_ms, GFLOP / middle * 1e3)
            )


if __name__ == '__main__':
    main()
