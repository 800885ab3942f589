r"""Students change the scripts: every row is a change, and what must come out of it.

A copy of the scripts, made small, is changed, trained, stopped, resumed, tested, and used by the
app. Each command is forked from a process that has imported TensorFlow and runs no session: the
child of a process that ran one hangs.

In the table, `...` in the old text stands for any text, `&` in the new text for the old one, and \n
for a new line, which is indented as the one before. The other lines say what comes out:

    says        part of the one line on stderr beside the usual ones, in one or more commands
    error       the only line of a training that ends with status 1
    traceback   the user's own line in the traceback of such a training
    steps       what is saved after Ctrl-C in the second step, and in the end; by default 2, 6
"""

import logging
import multiprocessing
import os
import re
import runpy
import signal
import sys
from pathlib import Path

import pytest
from helpers import ROOT, small_mnist
from PIL import Image, ImageDraw

pytestmark = pytest.mark.posix

TABLE = r"""
nothing
# the optimizer
Adam
    GradientDescentOptimizer(learning_rate) => AdamOptimizer(0.001)
clipped gradients
    train_step =...minimize(... ) => optimizer = tf.train.AdamOptimizer(learning_rate)\npairs = [(tf.clip_by_norm(g, 1.0), v) for g, v in optimizer.compute_gradients(loss)]\ntrain_step = optimizer.apply_gradients(pairs, global_step)
steps that are not counted
    loss, global_step=global_step => loss
    says: global_step is still 0 after a step
    steps: 0, 0
# the learning rate
a fixed rate
    learning_rate = tf.train.exponential_decay(...staircase=True,...) => learning_rate = 1e-4
a rate that is fed
    learning_rate = tf.train.exponential_decay(...staircase=True,...) => learning_rate = tf.placeholder(tf.float32)
    feed_dict={x: reshaped_xs => &, learning_rate: 0.9**i
    says: train: no more curves (You must feed
# the loss
no L2 in the loss
    loss = cem +...('losses')) => loss = cem
no L2 at all
    REGULARIZER = 0.0001 => REGULARIZER = None
    traceback: loss = cem + tf.add_n(tf.get_collection('losses'))
squared errors
    ce = tf.nn...(y_, 1)) => ce = tf.reduce_sum((tf.nn.softmax(y) - y_) ** 2, 1)
tf.losses
    cem = tf.reduce_mean(ce) => cem = tf.losses.softmax_cross_entropy(y_, y)
    says: train: no more curves (You must feed
a term of the activities
    y = tf.matmul(fc1, fc2_w) + fc2_b => &\ntf.add_to_collection('losses', 1e-4 * tf.nn.l2_loss(fc1))
    says: train: no more curves (You must feed
the logarithm of zero
    ce = tf.nn...(y_, 1)) => ce = -tf.reduce_sum(tf.log(0 * y), 1)
    error: step 1: loss is not finite; it is not saved. Lower LEARNING_RATE_BASE, or look for a log
# the average
no average
    ema_op = ema.apply(tf.trainable_variables()) => ema_op = tf.no_op()
    tf.train.Saver(ema_restore) => tf.train.Saver()
    tf.train.Saver(ema.variables_to_restore()) => tf.train.Saver()
# the loop
batches of one
    BATCH_SIZE = 2 => BATCH_SIZE = 1
STEPS is a float
    STEPS = 6 => STEPS = 6e0
range
    in run.steps(mnist.train, BATCH_SIZE, STEPS): => in range(STEPS):
    says: no curves, because run.steps was not used
    steps: 3, 9
epochs by range
    for i in run.steps(mnist.train, BATCH_SIZE, STEPS): => for epoch in range(2):\n  for i in range(3):
    says: no curves, because run.steps was not used
    steps: 3, 9
epochs by run.steps
    for i in run.steps(mnist.train, BATCH_SIZE, STEPS): => &\n    epoch = i // (mnist.train.num_examples // BATCH_SIZE)
break
    run.save(step, loss_value) => &\nif step == 5:\n    break
    steps: 2, 5
return
    run.save(step, loss_value) => &\nif step == 5:\n    return
    steps: 2, 5
an error
    run.save(step, loss_value) => raise RuntimeError('mine')
    traceback: raise RuntimeError('mine')
a missing table
    run.save(step, loss_value) => np.loadtxt('missing.csv')
    traceback: np.loadtxt('missing.csv')
a missing file
    run.save(step, loss_value) => open('missing.csv')
    error: missing.csv: cannot be used (No such file or directory)
# the session
tf.Session
    run.session(...(bfloat16)) => tf.Session()
    error: run.steps and run.save need run.session in place of tf.Session
the lecture's session, loop and save
    run.session(...(bfloat16)) => tf.Session()
    in run.steps(mnist.train, BATCH_SIZE, STEPS): => in range(STEPS):
    run.save(step, loss_value) => saver.save(sess, './model/mnist_model', global_step=global_step)
    says: model/seed: no seed is stored; continuing with seed 1
    steps: None, 10
threads
    training.config(bfloat16) => tf.ConfigProto(intra_op_parallelism_threads=1)
# checkpoints and curves
the loop's number
    run.save(step, loss_value) => run.save(i, loss_value)
a Saver of the weights
    saver = tf.train.Saver() => saver = tf.train.Saver(tf.trainable_variables())
    error: the Saver has no Variable_8, the step
a variable after the Saver
    saver = tf.train.Saver() => &\nlate = tf.Variable(0.5)
    says: the Saver has no Variable_9; what it lacks begins anew
the step itself
    run.save(step, => run.save(global_step,
a second Saver
    saver = tf.train.Saver() => &\nbest = tf.train.Saver(max_to_keep=1)
    run.save(step, loss_value) => &\nbest.save(sess, './model/best', step)
a FileWriter
    for i in run.steps( => tf.summary.FileWriter('./model/graph', sess.graph).close()\n&
another name
    MODEL_NAME = 'mnist_model' => MODEL_NAME = 'lenet-5 a'
another folder
    './model/' => './runs/first'
a path
    = './model/' => = __import__('pathlib').Path('model')
a name that is a pattern
    MODEL_NAME = 'mnist_model' => MODEL_NAME = 'lr=0.01[a]'
    error: MODEL_NAME 'lr=0.01[a]': write a name without any of
a folder of Windows
    './model/' => 'model\\run1'
    error: model\run1: TensorFlow reads
# the network
sigmoid
    tf.nn.relu => tf.nn.sigmoid
a constant bias
    tf.zeros(shape) => tf.constant(0.1, shape=shape)
a number for a bias
    tf.nn.bias_add(conv1, conv1_b) => 0.1 + conv1
    matmul(fc1, fc2_w) + fc2_b => matmul(fc1, fc2_w) + 0.1
a bias for each pixel
    tf.nn.bias_add(conv1, conv1_b) => conv1 + get_bias([28, 28, 1])
another size
    CONV2_SIZE = 5 => CONV2_SIZE = 3
another layer
    y = tf.matmul(fc1, fc2_w) + fc2_b => fc1 = tf.nn.relu(tf.matmul(fc1, get_weight([16, 16], regularizer)))\n&
TensorFlow's dropout
    dropout(fc1, 0.5, seed) => tf.nn.dropout(fc1, rate=0.5)
tf.get_variable
    w = tf.Variable(tf.truncated_normal(shape, stddev=0.1)) => w = tf.get_variable('w%d' % len(tf.global_variables()), shape)
# the data
own data
    def main(): => class Own:\n    num_examples = 4\n    def next_batch(self, n):\n        return np.random.rand(n, 784), np.eye(10)[:n]\n&
    backward(mnist, args.seed => mnist = mnist._replace(train=Own())\n&
sparse labels
    one_hot=True => one_hot=False
    tf.placeholder(tf.float32, [None, mnist_lenet5_forward.OUTPUT_NODE]) => tf.placeholder(tf.int64, [None])
    tf.argmax(y_, 1) => y_
    says: test: no more curves (labels (10,) for logits (10, 10))
a test of some digits
    mnist.test.images, => mnist.test.images[:5],
    mnist.test.labels} => mnist.test.labels[:5]}
    mnist.test.num_examples => 5
    says: test: no more curves (labels (10, 10) for logits (5, 10))
a test of the training digits
    mnist.test. => mnist.train.
    says: test: no more curves (labels (10, 10) for logits (19, 10))
# in one process
two trainings
    backward(mnist, args.seed, args.bfloat16) => &\n&
    steps: 2, 12
a test after the training
    backward(mnist, args.seed, args.bfloat16) => &\nimport mnist_lenet5_test\nmnist_lenet5_test.test(mnist, once=True)
"""  # noqa: E501
SCRIPTS = ['mnist_lenet5_%s.py' % name for name in ('forward', 'backward', 'test', 'app')]
# lines and checkpoints come at the steps 1, 3, 5 and 6
SMALL = [('BATCH_SIZE = 100', 'BATCH_SIZE = 2'), ('SAVE_STEPS = 100', 'SAVE_STEPS = 2')]
SMALL += [('STEPS = 50000', 'STEPS = 6'), ('FC_SIZE = 512', 'FC_SIZE = 16')]
PRELOAD = ['tensorflow.compat.v1', 'PIL.Image', 'pytest', 'scipy.signal', 'skimage.filters']
PRELOAD += ['skimage.measure', 'skimage.morphology', 'skimage.transform']


def rows(working):
    """Returns a pytest.param for each row: the pairs of texts, and {key: what comes out}."""
    found = []
    for name, lines in re.findall(r'^([^#\s].*)\n((?:    .*\n)*)', TABLE, re.MULTILINE):
        lines = [line.strip().replace(r'\n', '\n') for line in lines.splitlines()]
        changes = [line.split(' => ') for line in lines if ' => ' in line]
        result = dict(line.split(': ', 1) for line in lines if ' => ' not in line)
        if working != bool({'error', 'traceback'} & set(result)):
            found.append(pytest.param(changes, result, id=name))
    return found


def change(folder, changes):
    """Writes the changed scripts into the folder."""
    texts = {name: Path(ROOT, name).read_text(encoding='utf-8') for name in SCRIPTS}
    for old, new in [*SMALL, *changes]:
        pattern = r'( *)([^\n]*?)(%s)' % re.escape(old).replace(re.escape('...'), '(?s:.*?)')

        def changed(match, new=new):
            indent, before, found = match.groups()
            return indent + before + new.replace('&', found).replace('\n', '\n' + indent)

        results = {name: re.sub(pattern, changed, text) for name, text in texts.items()}
        assert results != texts, 'no script contains ' + old
        texts = results
    for name, text in texts.items():
        (folder / name).write_text(text, encoding='utf-8')


def run(folder, script, flags, stop):
    """Runs a script as a command. stop: the step during which Ctrl-C comes, or 0."""
    import tensorflow.compat.v1 as tf

    session_run, steps = tf.Session.run, []

    def run_and_stop(self, fetches, feed_dict=None, **options):
        if len(feed_dict or '') > 1:  # a step feeds its batch, a save only its path
            steps.append(1)
            if len(steps) == stop:
                os.kill(os.getpid(), signal.SIGINT)
        return session_run(self, fetches, feed_dict, **options)

    tf.Session.run = run_and_stop
    logging.getLogger('tensorflow').setLevel('ERROR')
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.nice = lambda niceness: None  # a busy machine would let the test wait
    os.chdir(folder)
    for stream, name in (1, 'out'), (2, 'err'):
        os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), stream)
    sys.path[:0] = [folder]
    sys.argv = [script, *flags]
    try:
        runpy.run_path(script, run_name='__main__')
    except SystemExit as end:  # to Python 3.7's Process, None is a failure
        sys.exit(end.code or 0)


@pytest.fixture
def command(tmp_path, monkeypatch):
    monkeypatch.setenv('TF_CPP_MIN_LOG_LEVEL', '3')
    context = multiprocessing.get_context('forkserver')
    context.set_forkserver_preload(PRELOAD)

    def command(script, *flags, stop=0):
        """Returns the status, stdout, and the lines of stderr."""
        args = str(tmp_path), 'mnist_lenet5_%s.py' % script, flags, stop
        process = context.Process(target=run, args=args)
        process.start()
        process.join()
        out, err = [(tmp_path / name).read_text(encoding='utf-8') for name in ('out', 'err')]
        lines = [line for line in err.splitlines() if 'training from step' not in line]
        return process.exitcode, out, lines

    return command


@pytest.fixture
def folder(tmp_path):
    """A folder with digits of noise, a picture, and all of the project but the scripts."""
    for name in 'support', 'handwriting', 'input_data.py':
        (tmp_path / name).symlink_to(os.path.join(ROOT, name))
    (tmp_path / 'data').mkdir()
    for name, content in small_mnist().items():
        (tmp_path / 'data' / name).write_bytes(content)
    picture = Image.new('L', (100, 100), 255)
    ImageDraw.Draw(picture).line((50, 20, 50, 80), 0, 8)
    picture.save(str(tmp_path / '1.png'))
    return tmp_path


def current_step(folder):
    (checkpoint,) = folder.rglob('checkpoint')
    return re.search(r'-(\d+)"', checkpoint.read_text(encoding='utf-8')).group(1)


@pytest.mark.parametrize('changes, result', rows(working=True))
def test_it_works(folder, command, changes, result):
    change(folder, changes)
    stopped, last = result.get('steps', '2, 6').split(', ')
    status, _, said = command('backward', stop=2 if stopped != 'None' else 0)
    if stopped != 'None':
        assert said.pop().startswith('stopped; step %s is saved in ' % stopped)
        assert (status, current_step(folder)) == (130, stopped)
    for script, *flags in ['backward'], ['test', '--once'], ['app', '1.png']:
        status, out, lines = command(script, *flags)
        assert status == 0 and len(lines) <= 1, lines
        said += lines
        if script == 'test':
            assert re.fullmatch(r'After %s training step\(s\), test accuracy = \S+\n' % last, out)
    assert re.fullmatch(r'1\.png: \d \(\S+%\)\n', out)
    assert current_step(folder) == last
    says = result.get('says', '')
    assert bool(says) == bool(said) and all(says in line for line in said)


@pytest.mark.parametrize('changes, result', rows(working=False))
def test_it_says_why_not(folder, command, changes, result):
    change(folder, changes)
    status, _, said = command('backward')
    assert status == 1
    if 'error' in result:
        assert len(said) == 1 and said[0].startswith('error: ' + result['error'])
    else:
        assert said.count('Traceback (most recent call last):') == 1
        assert any(line.startswith('    ' + result['traceback']) for line in said)
